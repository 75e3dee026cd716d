// A client that costs the generator little: it sends what it is given and waits for a line that starts with a marker,
// looking only at the tail of what came.

import { connect, type Socket } from 'node:net';

/** The longest final line that is looked for: the capabilities after LOGIN. */
const tailBytes = 4096;

export class LineClient {
  readonly #socket: Socket;
  #tail = '';
  #received = 0;
  #kept: Uint8Array[] | undefined;
  #waiting:
    | { matches: (line: string) => boolean; resolve: (line: string) => void; reject: (error: Error) => void }
    | undefined;
  #failure: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  static async open(port: number): Promise<LineClient> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const client = new LineClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
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
    return this.lineThat((line) => prefixes.some((prefix) => line.startsWith(prefix)));
  }

  lineThat(matches: (line: string) => boolean): Promise<string> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting = { matches, resolve, reject };
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

  #take(chunk: Buffer): void {
    this.#received += chunk.length;
    this.#kept?.push(chunk);
    const fresh = chunk.length > tailBytes ? chunk.subarray(chunk.length - tailBytes) : chunk;
    this.#tail = (this.#tail + fresh.toString('latin1')).slice(-tailBytes);
    if (this.#waiting !== undefined) this.#look();
  }

  #look(): void {
    if (!this.#tail.endsWith('\r\n')) return;
    const start = this.#tail.lastIndexOf('\r\n', this.#tail.length - 3);
    const line = this.#tail.slice(start < 0 ? 0 : start + 2, -2);
    const waiting = this.#waiting;
    if (waiting === undefined || !waiting.matches(line)) return;
    this.#waiting = undefined;
    this.#tail = '';
    waiting.resolve(line);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }
}
