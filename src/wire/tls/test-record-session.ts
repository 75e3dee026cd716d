// For tests of records: a session with its socket, as far as records are concerned, and a peer that can send what it should not. Not
// part of the program.

import assert from 'node:assert/strict';
import { type RecordReader, type TlsAlert, TlsRecords } from './records.ts';
import {
  type OpenedRecord,
  ReferenceKeys,
  type SuiteName,
  secretFor,
  splitRecords,
} from './test-reference-keys.ts';
import { TrafficKeys } from './traffic-keys.ts';

/** RFC 8446 6. */
export const alerts = {
  closeNotify: 0,
  unexpectedMessage: 10,
  badRecordMac: 20,
  recordOverflow: 22,
  illegalParameter: 47,
  decodeError: 50,
} as const;

/** What a session and a socket do, as far as records are concerned. */
export class Peer implements RecordReader {
  /** What the socket does with what it is sent from now on: true, the kernel takes it; false, it waits. */
  takes: () => boolean = () => true;
  isQueueing = false;
  ends = 0;
  readonly failures: TlsAlert[] = [];
  readonly #sent: { readonly bytes: Buffer; readonly copy: Buffer }[] = [];
  readonly #opened: { readonly bytes: Buffer; readonly copy: Buffer }[] = [];

  send(bytes: Buffer): boolean {
    const copy = Buffer.from(bytes);
    const taken = !this.isQueueing && this.takes();
    this.isQueueing = !taken;
    this.#sent.push({ bytes: taken ? copy : bytes, copy });
    return taken;
  }

  /** The socket has got rid of what waited. */
  drained(): void {
    this.#unchanged(this.#sent);
    for (const sent of this.#sent) Object.assign(sent, { bytes: sent.copy });
    this.isQueueing = false;
  }

  opened(bytes: Buffer): void {
    assert(bytes.length > 0);
    this.#opened.push({ bytes, copy: Buffer.from(bytes) });
  }

  receivedEnd(): void {
    this.ends++;
  }

  failed(failure: TlsAlert): void {
    this.failures.push(failure);
  }

  get sent(): Buffer {
    this.#unchanged(this.#sent);
    return Buffer.concat(this.#sent.map(({ copy }) => copy));
  }

  get read(): Buffer {
    this.#unchanged(this.#opened);
    return Buffer.concat(this.#opened.map(({ copy }) => copy));
  }

  #unchanged(all: readonly { readonly bytes: Buffer; readonly copy: Buffer }[]): void {
    for (const { bytes, copy } of all) assert(bytes.equals(copy), 'bytes changed in use');
  }
}

/** Ours, and a peer that can send what it should not. */
export function session(suite: SuiteName = 'TLS_AES_128_GCM_SHA256', recordsMax?: number) {
  const [theirs, ours] = [secretFor(suite, 1), secretFor(suite, 2)];
  const records = new TlsRecords(new TrafficKeys(suite, theirs), new TrafficKeys(suite, ours), recordsMax);
  const client = new TlsRecords(new TrafficKeys(suite, ours), new TrafficKeys(suite, theirs));
  return {
    records,
    client,
    peer: new Peer(),
    keys: new ReferenceKeys(suite, theirs),
    answers: new ReferenceKeys(suite, ours),
  };
}

export const openAll = (keys: ReferenceKeys, bytes: Buffer): OpenedRecord[] =>
  splitRecords(bytes).map((record) => keys.open(record));
