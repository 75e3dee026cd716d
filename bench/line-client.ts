// A client that costs the generator little: it sends what it is given and waits for a line, looking only at the tail of what
// came.

import { connect, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';

/** The longest final line that is looked for: the capabilities after LOGIN. */
const tailBytes = 4096;

export class LineClient {
  readonly #socket: Socket;
  #tail = '';
  #received = 0;
  #kept: Uint8Array[] | undefined;
  #waiting:
    | {
        find: (tail: string) => string | undefined;
        resolve: (found: string) => void;
        reject: (error: Error) => void;
      }
    | undefined;
  #failure: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  /** `secure`: with TLS from the first byte, whatever the certificate. */
  static async open(port: number, { secure = false } = {}): Promise<LineClient> {
    const place = { host: '127.0.0.1', port };
    const socket = secure
      ? connectSecurely({ ...place, rejectUnauthorized: false })
      : connect({ ...place, noDelay: true });
    const client = new LineClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once(secure ? 'secureConnect' : 'connect', resolve);
      socket.once('error', reject);
    });
    return client;
  }

  get received(): number {
    return this.#received;
  }

  write(data: string | Buffer): void {
    this.#socket.write(data);
  }

  /** Several pieces in one packet, as far as they fit. */
  writeTogether(...pieces: readonly (string | Buffer)[]): void {
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.uncork();
  }

  /** Resolves with the last complete line when it begins with one of the prefixes and nothing follows it. */
  lastLine(...prefixes: string[]): Promise<string> {
    return this.#until((tail) => {
      const start = tail.lastIndexOf('\r\n', tail.length - 3);
      const line = tail.slice(start < 0 ? 0 : start + 2, -2);
      return prefixes.some((prefix) => line.startsWith(prefix)) ? line : undefined;
    });
  }

  /** Resolves when a complete line is this one, whatever follows it. */
  wholeLine(wanted: string): Promise<string> {
    return this.#until((tail) => (`\r\n${tail}`.includes(`\r\n${wanted}\r\n`) ? wanted : undefined));
  }

  #until(find: (tail: string) => string | undefined): Promise<string> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting = { find, resolve, reject };
      this.#look();
    });
  }

  async command(data: string | Buffer, ...prefixes: string[]): Promise<string> {
    this.#tail = '';
    this.write(data);
    return this.lastLine(...prefixes);
  }

  /** Keeps everything that comes until `kept` is called. */
  keep(): void {
    this.#kept = [];
  }

  kept(): Buffer {
    const all = Buffer.concat(this.#kept ?? []);
    this.#kept = undefined;
    return all;
  }

  end(): void {
    this.#failure = new Error('ended');
    this.#socket.destroy();
  }

  /** Says that nothing more comes; resolves when the server has ended too. */
  async leave(): Promise<void> {
    this.#failure = new Error('ended');
    await new Promise((resolve) => {
      this.#socket.once('close', resolve);
      this.#socket.end();
    });
  }

  /** Resolves when the server has ended the connection. */
  async dismissed(): Promise<void> {
    this.#failure = new Error('ended');
    if (!this.#socket.closed) await new Promise((resolve) => this.#socket.once('close', resolve));
  }

  #take(chunk: Buffer): void {
    this.#received += chunk.length;
    this.#kept?.push(chunk);
    const fresh = chunk.length > tailBytes ? chunk.subarray(chunk.length - tailBytes) : chunk;
    this.#tail = (this.#tail + fresh.toString('latin1')).slice(-tailBytes);
    if (this.#waiting !== undefined) this.#look();
  }

  #look(): void {
    const waiting = this.#waiting;
    if (waiting === undefined || !this.#tail.endsWith('\r\n')) return;
    const found = waiting.find(this.#tail);
    if (found === undefined) return;
    this.#waiting = undefined;
    this.#tail = '';
    waiting.resolve(found);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }
}
