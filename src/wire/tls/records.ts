// The records of a TLS 1.3 server's session after its handshake (RFC 8446 5, 4.6.3, 6), both directions: bytes of the network
// to what the session reads, what it writes to bytes of the network. Holds no socket.
// Invariants: the session is given nothing that did not come whole and unchanged, in order; what waits for its end is one
// record; a peer can make us work only for data, and a bounded number of times for nothing. A record that must not be ends
// the session with the alert that RFC 8446 names.

import { content, type RecordSender, SealedRun } from './sealed-run.ts';
import {
  contentBytesMax,
  protectedRecord,
  recordHeaderBytes,
  sealedBytesMax,
  type TrafficKeys,
  tagBytes,
} from './traffic-keys.ts';

const alertContent = 21;
const handshakeContent = 22;
const applicationContent = 23;
/** Message 24, of one byte: whether the peer shall change its keys, too. */
const keyUpdateHeader = 0x18000001;
const keyUpdateBytes = 5;
/** The peer need not change its own. */
const keyUpdate = Buffer.from([24, 0, 0, 1, 0]);

/** RFC 8446 5.5: AES-GCM protects some 24 million full records with one key; the keys change long before. */
const recordsPerKeyMax = 2 ** 23;
/** In a row; each is as much work for us as a record with data. */
const emptyRecordsMax = 32;
/** Each is twenty times the work of a record. A peer that changes keys when it must does so after terabytes. */
const keyUpdatesMax = 64;

const fatal = 2;
const warning = 1;
const alerts = {
  close_notify: 0,
  unexpected_message: 10,
  bad_record_mac: 20,
  record_overflow: 22,
  illegal_parameter: 47,
  decode_error: 50,
  user_canceled: 90,
} as const;
type AlertName = keyof typeof alerts;

/** The peer's, or ours to it: the session cannot go on. */
export class TlsAlert extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TlsAlert';
  }
}

/** What comes out of records. */
export interface RecordReader extends RecordSender {
  /** The session's bytes; the buffer is the reader's. */
  opened(data: Buffer): void;
  /** The peer says no more (close_notify). */
  receivedEnd(): void;
  /** After what is sent, if anything: no byte is read any more. */
  failed(alert: TlsAlert): void;
}

export class TlsRecords {
  readonly #reading: TrafficKeys;
  readonly #writing: TrafficKeys;
  readonly #recordsPerKeyMax: number;
  /** A record that has not come whole, or its header: so many bytes of it have come. */
  #begun: Buffer | undefined;
  #begunLength = 0;
  #emptyRecords = 0;
  #keyUpdates = 0;
  #ended = false;

  constructor(reading: TrafficKeys, writing: TrafficKeys, recordsMax = recordsPerKeyMax) {
    this.#reading = reading;
    this.#writing = writing;
    this.#recordsPerKeyMax = recordsMax;
  }

  /** Bytes that came from the network. */
  open(bytes: Buffer, reader: RecordReader): void {
    for (let at = 0; at < bytes.length && !this.#ended; ) {
      const end = this.#begun === undefined ? wholeRecordEnd(bytes, at) : undefined;
      if (end === undefined) {
        at = this.#fill(bytes, at, reader);
      } else {
        this.#judge(headerFault(bytes, at) ?? this.#openRecord(bytes.subarray(at, end), reader), reader);
        at = end;
      }
    }
  }

  /** Takes what belongs to the record that has begun: its header first, then the whole. */
  #fill(bytes: Buffer, at: number, reader: RecordReader): number {
    this.#begun ??= Buffer.allocUnsafeSlow(recordHeaderBytes);
    const taken = Math.min(this.#begun.length - this.#begunLength, bytes.length - at);
    bytes.copy(this.#begun, this.#begunLength, at, at + taken);
    this.#begunLength += taken;
    if (this.#begunLength < this.#begun.length) return at + taken;
    const record = this.#begun;
    if (record.length === recordHeaderBytes) {
      const fault = headerFault(record, 0);
      this.#judge(fault, reader);
      if (fault !== undefined) return at + taken;
      this.#begun = Buffer.allocUnsafeSlow(recordHeaderBytes + record.readUInt16BE(3));
      record.copy(this.#begun);
    } else {
      this.#begun = undefined;
      this.#begunLength = 0;
      this.#judge(this.#openRecord(record, reader), reader);
    }
    return at + taken;
  }

  #judge(fault: AlertName | undefined, reader: RecordReader): void {
    if (fault === undefined) return;
    this.#ended = true;
    this.#begun = undefined;
    this.#sealAlert(fatal, fault, reader);
    reader.failed(new TlsAlert(`TLS: ${fault.replaceAll('_', ' ')}`));
  }

  #openRecord(record: Buffer, reader: RecordReader): AlertName | undefined {
    const opened = this.#reading.open(record);
    if (opened === undefined) return 'bad_record_mac';
    if (opened.length > contentBytesMax + 1) return 'record_overflow';
    // Behind the type there may be zeros, to hide how much was said.
    let typeAt = opened.length - 1;
    while (typeAt > 0 && opened[typeAt] === 0) typeAt--;
    const message = opened.subarray(0, typeAt);
    switch (opened[typeAt]) {
      case applicationContent:
        return this.#openData(message, reader);
      case alertContent:
        return this.#openAlert(message, reader);
      case handshakeContent:
        return this.#openKeyUpdate(message, reader);
      default:
        return 'unexpected_message';
    }
  }

  #openData(data: Buffer, reader: RecordReader): AlertName | undefined {
    if (data.length === 0) return this.#openNothing();
    this.#emptyRecords = 0;
    reader.opened(data);
    return undefined;
  }

  #openNothing(): AlertName | undefined {
    return ++this.#emptyRecords > emptyRecordsMax ? 'unexpected_message' : undefined;
  }

  #openAlert(message: Buffer, reader: RecordReader): AlertName | undefined {
    // RFC 8446 5.4: none is empty.
    if (message.length !== 2) return message.length === 0 ? 'unexpected_message' : 'decode_error';
    const description = message[1];
    // RFC 8446 6.1: close_notify follows.
    if (description === alerts.user_canceled) return this.#openNothing();
    this.#ended = true;
    if (description === alerts.close_notify) reader.receivedEnd();
    else reader.failed(new TlsAlert(`the peer sent TLS alert ${description}`));
    return undefined;
  }

  /** RFC 8446 4.6.3: alone in its record, since the next one has other keys. Nothing else may come after the handshake. */
  #openKeyUpdate(message: Buffer, reader: RecordReader): AlertName | undefined {
    const isOne = message.length === keyUpdateBytes && message.readUInt32BE(0) === keyUpdateHeader;
    if (!isOne) return 'unexpected_message';
    const request = message[4]!;
    if (request > 1) return 'illegal_parameter';
    if (++this.#keyUpdates > keyUpdatesMax) return 'unexpected_message';
    this.#reading.update();
    if (request === 1) {
      const run = new SealedRun(this.#writing, keyUpdate.length, reader);
      this.#updateKeys(run);
      run.end();
    }
    return undefined;
  }

  /** Sends all of it as records of 16 KB. Strings are latin1. `bytes`: how much it is. */
  seal(parts: readonly (string | Uint8Array)[], bytes: number, sender: RecordSender): void {
    const run = new SealedRun(this.#writing, bytes, sender);
    let filled = 0;
    for (const part of parts) {
      for (let from = 0; from < part.length; ) {
        const taken = Math.min(part.length - from, contentBytesMax - filled);
        if (typeof part === 'string') content.write(part.slice(from, from + taken), filled, 'latin1');
        else content.set(part.subarray(from, from + taken), filled);
        filled += taken;
        from += taken;
        if (filled < contentBytesMax) continue;
        this.#sealData(filled, run);
        filled = 0;
      }
    }
    if (filled > 0) this.#sealData(filled, run);
    run.end();
  }

  #sealData(length: number, run: SealedRun): void {
    run.add(length, applicationContent);
    // Behind it, not before: what is in `content` must have been sealed.
    if (this.#writing.sequence >= this.#recordsPerKeyMax) this.#updateKeys(run);
  }

  #updateKeys(run: SealedRun): void {
    content.set(keyUpdate);
    run.add(keyUpdate.length, handshakeContent);
    this.#writing.update();
  }

  /** Our last word. */
  sealEnd(sender: RecordSender): void {
    this.#sealAlert(warning, 'close_notify', sender);
  }

  #sealAlert(level: number, name: AlertName, sender: RecordSender): void {
    content[0] = level;
    content[1] = alerts[name];
    const run = new SealedRun(this.#writing, 2, sender);
    run.add(2, alertContent);
    run.end();
  }
}

function wholeRecordEnd(bytes: Buffer, at: number): number | undefined {
  if (bytes.length - at < recordHeaderBytes) return undefined;
  const end = at + recordHeaderBytes + bytes.readUInt16BE(at + 3);
  return end > bytes.length ? undefined : end;
}

function headerFault(bytes: Buffer, at: number): AlertName | undefined {
  if (bytes[at] !== protectedRecord) return 'unexpected_message';
  const length = bytes.readUInt16BE(at + 3);
  if (length > sealedBytesMax) return 'record_overflow';
  // A tag, and at least the type of what it protects.
  return length <= tagBytes ? 'bad_record_mac' : undefined;
}
