// A connection of the script runner: commands out, whole responses in, in the order they come. What is no response by the grammar
// ends the connection with the reader's complaint; a server that says nothing for the time limit does as well.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Response, readResponse } from '../../imap-response.ts';

export interface ServerPlace {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

export interface Received {
  readonly response: Response;
  /** As it came, latin1, without its line end. */
  readonly text: string;
}

/** No command of a script takes this long, on a loaded machine either. */
const answerLimitMs = 60_000;
/** A server that sends more in one response is not answering a script. */
const responseBytesMax = 64 * 1024 * 1024;

export class ScriptConnection implements Disposable {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #tags = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    // Whoever reads is told.
    socket.on('error', () => {});
  }

  /** Connected, with the greeting read. */
  static async open({ host, port, tls }: ServerPlace): Promise<ScriptConnection> {
    const socket = tls
      ? connectTls({ host, port, rejectUnauthorized: false })
      : connect({ host, port, noDelay: true });
    await once(socket, tls ? 'secureConnect' : 'connect');
    const connection = new ScriptConnection(socket);
    await connection.next();
    return connection;
  }

  newTag(): string {
    this.#tags++;
    return `r${this.#tags}`;
  }

  /** Latin1. */
  write(text: string): void {
    this.#socket.write(text, 'latin1');
  }

  async next(): Promise<Received> {
    for (;;) {
      const read = this.#received.length === 0 ? undefined : readResponse(this.#received);
      if (read !== undefined) {
        const text = this.#received.toString('latin1', 0, read.next - '\r\n'.length);
        this.#received = this.#received.subarray(read.next);
        return { response: read.response, text };
      }
      this.#received = Buffer.concat([this.#received, await this.#chunk()]);
      if (this.#received.length > responseBytesMax) throw new Error('the response does not end');
    }
  }

  /** A command of the runner's own: its untagged responses. One that does not work ends the script. */
  async run(command: string, literal?: string): Promise<Response[]> {
    const tag = this.newTag();
    this.write(`${tag} ${command}${literal === undefined ? '' : ` {${literal.length}}`}\r\n`);
    const untagged: Response[] = [];
    for (;;) {
      const { response, text } = await this.next();
      if (response.type === 'continuation' && literal !== undefined) this.write(`${literal}\r\n`);
      else if (response.type !== 'status' || response.tag !== tag) untagged.push(response);
      else if (response.status === 'OK') return untagged;
      else throw new Error(`${command} → ${text}`);
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  async #chunk(): Promise<Buffer> {
    const socket = this.#socket;
    const limit = AbortSignal.timeout(answerLimitMs);
    for (;;) {
      const chunk = socket.read() as Buffer | null;
      if (chunk !== null) return chunk;
      if (socket.destroyed || socket.readableEnded) throw new Error('the server ended the connection');
      const waiting = new AbortController();
      const signal = AbortSignal.any([waiting.signal, limit]);
      try {
        await Promise.race(['readable', 'end', 'close'].map((event) => once(socket, event, { signal })));
      } catch (error) {
        throw limit.aborted ? new Error('no answer from the server') : error;
      } finally {
        waiting.abort();
      }
    }
  }
}
