// A connection whose bytes are deflated in both directions (RFC 4978, RFC 1951), over another connection whose limits and
// deadlines stay what they are. Invariants: what is flushed can be read by the peer at once; what is in memory is bounded:
// inflating stops while nobody takes its output, deflating makes `congested` true before it holds much.
// Each flush is a deflate stream of its own that knows the last bytes sent: no compressor is kept between flushes, as
// thousands of connections idle. A peer whose bytes do not inflate is cut off.

import { constants, createInflateRaw, deflateRaw, deflateRawSync, type InflateRaw } from 'node:zlib';
import type { Logger } from '../../base/log.ts';
import { type Connection, ConnectionClosed, type TlsInfo } from './connection.ts';
import { InputBuffer } from './input-buffer.ts';
import type { SessionUser } from './open-sessions.ts';

/** What a flush may repeat by reference: more makes small flushes slower than smaller. */
const historyBytesMax = 8 * 1024;
/** Up to this a flush takes some tens of microseconds; more is deflated on another thread. */
const deflateAtOnceBytesMax = 16 * 1024;
/** One turn of a thread: about 10 ms. */
const deflateBytesMax = 512 * 1024;
/** Queued output above this is deflated at once, not at the end of the turn. */
const flushBytes = 64 * 1024;
/** Not yet deflated: writers wait above this. */
const pendingBytesMax = 256 * 1024;
/** Compressed input worked on at a time: may become a thousand times as much, which is pulled piece by piece. */
const inflateBytesMax = 4 * 1024;
/** Commands are short; each piece may stay in memory as long as the command. */
const inflatedPieceBytes = 4 * 1024;

export class DeflatedConnection implements Connection {
  readonly #under: Connection;
  readonly #input = new InputBuffer();
  readonly #inflate: InflateRaw;
  /** The inflater has not taken all of the last bytes given to it. */
  #inflating = false;
  #inflateFailed = false;
  #wake: (() => void) | undefined;
  #filling: Promise<boolean> | undefined;
  #parts: Buffer[] = [];
  #text = '';
  #pendingBytes = 0;
  #flushScheduled = false;
  #deflating: Promise<void> | undefined;
  #history: Buffer | undefined;
  #ending = false;

  constructor(under: Connection) {
    this.#under = under;
    this.#inflate = createInflateRaw({ chunkSize: inflatedPieceBytes });
    this.#inflate.on('readable', () => this.#wakeUp());
    this.#inflate.on('error', (error) => {
      this.log.info({ error: error.message }, 'input does not inflate');
      this.#inflateFailed = true;
      this.#wakeUp();
    });
  }

  get traceId(): string {
    return this.#under.traceId;
  }

  get remoteAddress(): string {
    return this.#under.remoteAddress;
  }

  get remotePort(): number {
    return this.#under.remotePort;
  }

  get localAddress(): string {
    return this.#under.localAddress;
  }

  get localPort(): number {
    return this.#under.localPort;
  }

  get tls(): TlsInfo | undefined {
    return this.#under.tls;
  }

  get log(): Logger {
    return this.#under.log;
  }

  get closing(): AbortSignal {
    return this.#under.closing;
  }

  get isDismissed(): boolean {
    return this.#under.isDismissed;
  }

  get user(): SessionUser | undefined {
    return this.#under.user;
  }

  set user(user: SessionUser | undefined) {
    this.#under.user = user;
  }

  get bufferedBytes(): number {
    return this.#input.length + this.#under.bufferedBytes;
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

  fill(idleTimeoutMs: number, midCommand = false): Promise<boolean> {
    this.#filling ??= this.#fill(idleTimeoutMs, midCommand).finally(() => {
      this.#filling = undefined;
    });
    return this.#filling;
  }

  write(data: string | Uint8Array): void {
    if (this.#ending || data.length === 0) return;
    if (typeof data === 'string') this.#text += data;
    else {
      this.#takeText();
      this.#parts.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    }
    this.#pendingBytes += data.length;
    if (this.#pendingBytes >= flushBytes) this.flush();
    else if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      process.nextTick(() => this.flush());
    }
  }

  get congested(): boolean {
    return this.#pendingBytes > pendingBytesMax || this.#under.congested;
  }

  async drain(): Promise<void> {
    this.flush();
    while (this.#pendingBytes > pendingBytesMax && this.#deflating !== undefined) await this.#deflating;
    await this.#under.drain();
  }

  flush(): void {
    this.#flushScheduled = false;
    if (this.#deflating !== undefined || this.#pendingBytes === 0) return;
    if (this.#pendingBytes > deflateAtOnceBytesMax) {
      this.#deflating = this.#deflateAll()
        .catch((error: unknown) => {
          this.log.error({ err: error }, 'output could not be deflated');
          this.destroy();
        })
        .finally(() => {
          this.#deflating = undefined;
        });
      return;
    }
    const plain = this.#takePending();
    const deflated = deflateRawSync(plain, this.#options());
    this.#remember(plain);
    this.#under.write(deflated);
    this.#under.flush();
  }

  startTls(): Promise<void> {
    throw new Error('TLS is started before compression');
  }

  async end(): Promise<void> {
    this.flush();
    this.#ending = true;
    while (this.#deflating !== undefined) await this.#deflating;
    this.#inflate.destroy();
    await this.#under.end();
  }

  /**
   * What is queued is sent, then the connection below is plain again. Bytes the peer sent behind its last deflated ones
   * before it heard of it are not told from them: such a peer is cut off.
   */
  async stop(): Promise<Connection> {
    this.flush();
    this.#ending = true;
    while (this.#deflating !== undefined) await this.#deflating;
    if (this.#inflating || this.#inflateFailed || this.#input.length > 0) this.#under.destroy();
    this.#inflate.destroy();
    return this.#under;
  }

  destroy(): void {
    this.#ending = true;
    this.#inflate.destroy();
    this.#under.destroy();
    this.#wakeUp();
  }

  async #fill(idleTimeoutMs: number, midCommand: boolean): Promise<boolean> {
    for (;;) {
      const piece = this.#inflate.read() as Buffer | null;
      if (piece !== null) {
        this.#input.push(piece);
        return true;
      }
      if (this.#inflateFailed || this.#inflate.destroyed) {
        this.#under.destroy();
        throw new ConnectionClosed();
      }
      if (this.#inflating) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const bytes = this.#under.takeBytes(inflateBytesMax);
      if (bytes !== undefined) this.#give(bytes);
      else if (!(await this.#under.fill(idleTimeoutMs, midCommand))) return false;
    }
  }

  #give(bytes: Buffer): void {
    this.#inflating = true;
    this.#inflate.write(bytes, () => {
      this.#inflating = false;
      this.#wakeUp();
    });
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  async #deflateAll(): Promise<void> {
    while (this.#pendingBytes > 0) {
      const all = this.#takePending();
      for (let start = 0; start < all.length; start += deflateBytesMax) {
        const plain = all.subarray(start, start + deflateBytesMax);
        // Still waiting: writers see what is not deflated.
        this.#pendingBytes += all.length - start;
        const deflated = await deflatedOnThread(plain, this.#options());
        this.#pendingBytes -= all.length - start;
        this.#remember(plain);
        this.#under.write(deflated);
        if (this.#under.congested) await this.#under.drain().catch(() => {});
      }
    }
  }

  #takeText(): void {
    if (this.#text === '') return;
    this.#parts.push(Buffer.from(this.#text, 'latin1'));
    this.#text = '';
  }

  #takePending(): Buffer {
    this.#takeText();
    const parts = this.#parts;
    this.#parts = [];
    this.#pendingBytes = 0;
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  #options() {
    const options = { finishFlush: constants.Z_SYNC_FLUSH };
    return this.#history === undefined ? options : { ...options, dictionary: this.#history };
  }

  #remember(plain: Buffer): void {
    const tail = plain.subarray(-historyBytesMax);
    const kept = historyBytesMax - tail.length;
    const before = kept === 0 ? undefined : this.#history?.subarray(-kept);
    this.#history = before === undefined ? Buffer.from(tail) : Buffer.concat([before, tail]);
  }
}

function deflatedOnThread(
  plain: Buffer,
  options: Parameters<typeof deflateRaw>[1] & object,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    deflateRaw(plain, options, (error, deflated) => {
      if (error === null) resolve(deflated);
      else reject(error);
    });
  });
}
