// Writes long answers as bytes: numbers, labels and ready-made bytes go into large buffers that are handed to the
// connection whole, so that a FETCH of ten thousand messages makes no ten thousand strings. A buffer that was handed
// over is never touched again. Nothing here waits: the caller minds the connection's back-pressure.

import type { Connection } from '../../kit/connection.ts';

const bufferBytes = 64 * 1024;
/** Bytes from here on go out as they are; shorter ones are cheaper copied. */
const passThroughBytes = 16 * 1024;
/** Digits of the largest safe integer. */
const numberBytesMax = 16;

export class ResponseWriter {
  readonly #connection: Connection;
  #buffer: Buffer;
  #at = 0;

  /** `bytesExpected` keeps short answers from taking a large buffer. */
  constructor(connection: Connection, bytesExpected: number) {
    this.#connection = connection;
    this.#buffer = Buffer.allocUnsafe(Math.min(bufferBytes, Math.max(512, bytesExpected)));
  }

  byte(value: number): void {
    if (this.#at === this.#buffer.length) this.#next(1);
    this.#buffer[this.#at++] = value;
  }

  /** A whole number, 0 <= n < 2^53. */
  number(value: number): void {
    if (this.#buffer.length - this.#at < numberBytesMax) this.#next(numberBytesMax);
    const buffer = this.#buffer;
    if (value >= 0x7fff_ffff) {
      this.text(String(value));
      return;
    }
    let rest = value | 0;
    let digits = 1;
    for (let bound = 10; digits < 10 && rest >= bound; bound *= 10) digits++;
    const end = this.#at + digits;
    for (let place = end - 1; place >= this.#at; place--) {
      const tenth = (rest / 10) | 0;
      buffer[place] = 48 + rest - tenth * 10;
      rest = tenth;
    }
    this.#at = end;
  }

  /** A short label, copied byte by byte: cheaper than a call for its length. */
  label(bytes: Uint8Array): void {
    const { length } = bytes;
    if (this.#buffer.length - this.#at < length) this.#next(length);
    const buffer = this.#buffer;
    let at = this.#at;
    for (let index = 0; index < length; index++) buffer[at++] = bytes[index]!;
    this.#at = at;
  }

  /** Latin1. */
  text(text: string): void {
    if (this.#buffer.length - this.#at < text.length) this.#next(text.length);
    this.#at += this.#buffer.write(text, this.#at, 'latin1');
  }

  bytes(bytes: Uint8Array): void {
    if (bytes.length >= passThroughBytes) {
      this.flush();
      this.#connection.write(bytes);
      return;
    }
    if (this.#buffer.length - this.#at < bytes.length) this.#next(bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** The same for a part of `bytes`, of which no view is made when it is copied. */
  range(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    if (length >= passThroughBytes) {
      this.bytes(bytes.subarray(start, end));
      return;
    }
    if (this.#buffer.length - this.#at < length) this.#next(length);
    bytes.copy(this.#buffer, this.#at, start, end);
    this.#at += length;
  }

  /** Hands over what is there. The rest of the buffer goes on being filled: no byte is written twice. */
  flush(): void {
    if (this.#at === 0) return;
    this.#connection.write(this.#buffer.subarray(0, this.#at));
    this.#buffer = this.#buffer.subarray(this.#at);
    this.#at = 0;
  }

  #next(bytesWanted: number): void {
    this.flush();
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(bufferBytes, bytesWanted));
  }
}
