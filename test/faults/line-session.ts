// A raw protocol session for fault tests: it sends what it is told and gives back lines, and says so plainly when the
// server is gone, which is what these tests provoke.

import { connect, type Socket } from 'node:net';

export class ServerGone extends Error {}

export class LineSession {
  readonly #socket: Socket;
  #buffer = Buffer.alloc(0);
  #gone = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      this.#wake?.();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#gone = true;
      this.#wake?.();
    });
  }

  /** Rejects with ServerGone when nobody listens. `localAddress`: where the client is. */
  static async open(port: number, host = '127.0.0.1', localAddress?: string): Promise<LineSession> {
    const from = localAddress === undefined ? {} : { localAddress };
    const socket = connect({ host, port, noDelay: true, ...from });
    const session = new LineSession(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('close', () => reject(new ServerGone('nobody listens')));
    });
    return session;
  }

  write(data: string | Buffer): void {
    this.#socket.write(data);
  }

  /** One line without its CRLF. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#buffer.indexOf('\r\n');
      if (end >= 0) {
        const line = this.#buffer.toString('latin1', 0, end);
        this.#buffer = this.#buffer.subarray(end + 2);
        return line;
      }
      await this.#more();
    }
  }

  async bytes(count: number): Promise<Buffer> {
    while (this.#buffer.length < count) await this.#more();
    const bytes = this.#buffer.subarray(0, count);
    this.#buffer = this.#buffer.subarray(count);
    return bytes;
  }

  /** Lines up to and with the first that begins with one of the prefixes. */
  async until(...prefixes: string[]): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.line();
      lines.push(line);
      if (prefixes.some((prefix) => line.startsWith(prefix))) return lines;
    }
  }

  /** Sends a command and gives the last line of its answer: the one that begins with a prefix. */
  async command(text: string, ...prefixes: string[]): Promise<string> {
    this.write(`${text}\r\n`);
    return (await this.until(...prefixes)).at(-1)!;
  }

  /** An SMTP or LMTP reply: its last line. */
  async reply(text?: string): Promise<string> {
    if (text !== undefined) this.write(`${text}\r\n`);
    for (;;) {
      const line = await this.line();
      if (/^\d{3} /.test(line)) return line;
    }
  }

  /** Reads no more, as a slow client: the server's next bytes stay with the server. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.destroy();
  }

  async #more(): Promise<void> {
    if (this.#gone) throw new ServerGone('the server closed the connection');
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}
