// A connection without a socket: input that is there from the start and then ends, output that is kept. For fuzzing
// whole sessions, where sockets would be slow and would hide what broke.

import { type Logger, silentLog } from '../../src/base/log.ts';
import { type Connection, ConnectionClosed } from '../../src/speakers/kit/connection.ts';
import { InputBuffer } from '../../src/speakers/kit/input-buffer.ts';
import type { SessionUser } from '../../src/speakers/kit/open-sessions.ts';

export class ScriptedConnection implements Connection {
  readonly traceId: string;
  readonly remoteAddress = '192.0.2.1';
  readonly remotePort = 40_000;
  readonly localAddress = '192.0.2.2';
  readonly localPort = 143;
  readonly tls = undefined;
  readonly log: Logger = silentLog;
  readonly congested = false;
  readonly closing = new AbortController().signal;
  readonly isDismissed = false;
  user: SessionUser | undefined = undefined;
  readonly #input = new InputBuffer();
  readonly #output: Buffer[] = [];
  #open = true;

  constructor(traceId: string, input: Uint8Array) {
    this.traceId = traceId;
    this.#input.push(Buffer.from(input));
  }

  get output(): Buffer {
    return Buffer.concat(this.#output);
  }

  get bufferedBytes(): number {
    return this.#input.length;
  }

  takeLine(bytesMax: number): Buffer | undefined {
    return this.#input.takeLine(bytesMax);
  }

  takeBytes(bytesMax: number): Buffer | undefined {
    return this.#input.takeBytes(bytesMax);
  }

  putBack(bytes: Buffer): void {
    this.#input.putBack(bytes);
  }

  async fill(): Promise<boolean> {
    if (!this.#open) throw new ConnectionClosed();
    return false;
  }

  write(data: string | Uint8Array): void {
    if (this.#open)
      this.#output.push(typeof data === 'string' ? Buffer.from(data, 'latin1') : Buffer.from(data));
  }

  async drain(): Promise<void> {
    if (!this.#open) throw new ConnectionClosed();
  }

  flush(): void {}

  async startTls(): Promise<void> {
    throw new ConnectionClosed();
  }

  async end(): Promise<void> {
    this.#open = false;
  }

  destroy(): void {
    this.#open = false;
  }
}
