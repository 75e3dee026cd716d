// For tests of speakers: a client that reads like a transcript.
// A wait that never ends fails with the transcript so far, by the test runner's own limit.

import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { constants, createDeflateRaw, createInflateRaw, type DeflateRaw } from 'node:zlib';

/** What a client shows for itself, PEM. */
export interface ShownCertificate {
  readonly cert: string;
  readonly key: string;
}

/** A client on a socket: `send` lines, `line` by line what comes back. */
export class TestClient {
  #socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  #deflate: DeflateRaw | undefined;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#attach();
  }

  /** `from`: the address it comes from, any of 127.0.0.0/8. */
  static async connect(port: number, from = '127.0.0.1'): Promise<TestClient> {
    const options = { port, host: '127.0.0.1', localAddress: from, noDelay: true, allowHalfOpen: true };
    const socket = connect(options);
    const client = new TestClient(socket);
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return client;
  }

  static async connectTls(
    port: number,
    servername = 'example.test',
    shown?: ShownCertificate,
  ): Promise<TestClient> {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, servername, ...shown });
    const client = new TestClient(socket);
    await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    return client;
  }

  /** After the server agreed: both directions are deflated (RFC 4978). */
  startDeflate(): void {
    const socket = this.#socket;
    const inflate = createInflateRaw();
    this.#deflate = createDeflateRaw();
    this.#deflate.on('data', (chunk: Buffer) => socket.write(chunk));
    for (const event of ['data', 'end', 'close', 'error']) socket.removeAllListeners(event);
    socket.on('data', (chunk: Buffer) => inflate.write(chunk));
    // What came before the end is inflated first.
    const ended = (): void => {
      inflate.flush(() => {
        this.#ended = true;
        this.#wake?.();
      });
    };
    for (const event of ['end', 'close', 'error']) socket.on(event, ended);
    inflate.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
  }

  /** Plain again; nothing deflated may be on its way. */
  stopDeflate(): void {
    this.#deflate = undefined;
    for (const event of ['data', 'end', 'close', 'error']) this.#socket.removeAllListeners(event);
    this.#attach();
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** Upgrades after the server agreed. */
  async startTls(servername = 'example.test', shown?: ShownCertificate): Promise<TLSSocket> {
    const clear = this.#socket;
    clear.removeAllListeners('data');
    const secure = connectTls({ socket: clear, rejectUnauthorized: false, servername, ...shown });
    this.#socket = secure;
    this.#attach();
    await new Promise<void>((resolve, reject) => secure.once('secureConnect', resolve).once('error', reject));
    return secure;
  }

  /** Writes as it is. */
  write(data: string | Uint8Array): void {
    if (this.#deflate !== undefined) {
      this.#deflate.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
      this.#deflate.flush(constants.Z_SYNC_FLUSH);
      return;
    }
    if (typeof data === 'string') this.#socket.write(data, 'latin1');
    else this.#socket.write(data);
  }

  /** Writes a line with CRLF. */
  send(line: string): void {
    this.write(`${line}\r\n`);
  }

  /** The next line without CRLF; undefined at the end of the stream. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#received.indexOf('\r\n');
      if (end >= 0) {
        const line = this.#received.toString('latin1', 0, end);
        this.#received = this.#received.subarray(end + 2);
        return line;
      }
      if (this.#ended) return undefined;
      await this.#more();
    }
  }

  /** A whole reply of the SMTP kind: lines up to the one with a blank behind the code. */
  async reply(): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.line();
      if (line === undefined) return lines;
      lines.push(line);
      if (line[3] !== '-') return lines;
    }
  }

  async bytes(count: number): Promise<Buffer> {
    while (this.#received.length < count && !this.#ended) await this.#more();
    const bytes = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return bytes;
  }

  /** Everything up to the end of the stream. */
  async rest(): Promise<string> {
    while (!this.#ended) await this.#more();
    return this.#received.toString('latin1');
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #attach(): void {
    this.#socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    const ended = (): void => {
      this.#ended = true;
      this.#wake?.();
    };
    this.#socket.on('end', ended);
    this.#socket.on('close', ended);
    this.#socket.on('error', ended);
  }
}
