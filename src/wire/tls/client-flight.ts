// Follows what a client sends in a TLS 1.3 handshake (RFC 8446 4.4) to the record that ends it. Looks only: the records are for
// whoever makes the handshake, who judges them. Invariant: a record that does not open with the keys of the handshake ends nothing.

import { protectedRecord, type TrafficKeys } from './traffic-keys.ts';

const handshakeContent = 22;
const finishedMessage = 20;
const headerBytes = 4;

export class ClientFlight {
  readonly #keys: TrafficKeys;
  /** Of the message that has begun: its type and length as far as they have come, one number. */
  #header = 0;
  #headerLength = 0;
  /** Of its body, not come yet. */
  #left = 0;

  /** With client_handshake_traffic_secret. */
  constructor(keys: TrafficKeys) {
    this.#keys = keys;
  }

  /** Whether the client's Finished ends with this record: the next one is protected with the session's keys. */
  endsWith(record: Buffer): boolean {
    if (record[0] !== protectedRecord) return false;
    const opened = this.#keys.peek(record);
    if (opened === undefined) return false;
    this.#keys.skip();
    let typeAt = opened.length - 1;
    while (typeAt > 0 && opened[typeAt] === 0) typeAt--;
    return opened[typeAt] === handshakeContent && this.#finishes(opened.subarray(0, typeAt));
  }

  /** Messages may lie across records, and several in one. */
  #finishes(content: Buffer): boolean {
    for (let at = 0; at < content.length; ) {
      if (this.#headerLength < headerBytes) {
        this.#header = this.#header * 256 + content[at++]!;
        if (++this.#headerLength === headerBytes) this.#left = this.#header % 0x1_00_00_00;
      } else {
        const taken = Math.min(this.#left, content.length - at);
        this.#left -= taken;
        at += taken;
      }
      if (this.#headerLength < headerBytes || this.#left > 0) continue;
      if (Math.floor(this.#header / 0x1_00_00_00) === finishedMessage) return true;
      this.#header = 0;
      this.#headerLength = 0;
    }
    return false;
  }
}
