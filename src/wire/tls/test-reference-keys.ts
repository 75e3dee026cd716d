// For tests: the protection of TLS 1.3's records written a second time, from RFC 8446 5 and 7 and without regard to speed, for a
// peer that can also protect what must not be sent. Not part of the program.

import { type CipherGCMTypes, createCipheriv, createDecipheriv, createHmac } from 'node:crypto';

const parameters = {
  TLS_AES_128_GCM_SHA256: ['aes-128-gcm', 'sha256', 16],
  TLS_AES_256_GCM_SHA384: ['aes-256-gcm', 'sha384', 32],
  TLS_CHACHA20_POLY1305_SHA256: ['chacha20-poly1305', 'sha256', 32],
} as const;
export type SuiteName = keyof typeof parameters;
export const suiteNames = Object.keys(parameters) as SuiteName[];

/** RFC 8446 5.1, and 0: there is none. */
export const contentTypes = { none: 0, changeCipherSpec: 20, alert: 21, handshake: 22, data: 23 } as const;

export interface OpenedRecord {
  readonly type: number;
  readonly content: Buffer;
}

export class ReferenceKeys {
  sequence = 0n;
  readonly #suite: SuiteName;
  #secret: Buffer;

  constructor(suite: SuiteName, secret: Buffer) {
    this.#suite = suite;
    this.#secret = secret;
  }

  /** A whole record. `padding`: so many zeros behind the type; `outerType`: what its header says. */
  seal(type: number, content: string | Uint8Array, padding = 0, outerType = 23): Buffer {
    const inner = Buffer.concat([
      Buffer.from(content as string, 'latin1'),
      Buffer.of(type),
      Buffer.alloc(padding),
    ]);
    const [algorithm, , keyBytes] = parameters[this.#suite];
    const header = Buffer.of(outerType, 3, 3, (inner.length + 16) >> 8, (inner.length + 16) & 0xff);
    const key = this.#expand('key', keyBytes);
    const cipher = createCipheriv(algorithm as CipherGCMTypes, key, this.#nonce(), { authTagLength: 16 });
    cipher.setAAD(header);
    const sealed = Buffer.concat([cipher.update(inner), cipher.final()]);
    return Buffer.concat([header, sealed, cipher.getAuthTag()]);
  }

  /** Throws when it was not protected with these keys. */
  open(record: Buffer): OpenedRecord {
    const [algorithm, , keyBytes] = parameters[this.#suite];
    const key = this.#expand('key', keyBytes);
    const decipher = createDecipheriv(algorithm as CipherGCMTypes, key, this.#nonce(), { authTagLength: 16 });
    decipher.setAAD(record.subarray(0, 5));
    decipher.setAuthTag(record.subarray(-16));
    const inner = Buffer.concat([decipher.update(record.subarray(5, -16)), decipher.final()]);
    const typeAt = inner.findLastIndex((byte) => byte !== 0);
    return { type: inner[typeAt]!, content: inner.subarray(0, typeAt) };
  }

  update(): void {
    this.#secret = this.#expand('traffic upd', this.#secret.length);
    this.sequence = 0n;
  }

  #nonce(): Buffer {
    const iv = BigInt(`0x${this.#expand('iv', 12).toString('hex')}`);
    return Buffer.from((iv ^ this.sequence++).toString(16).padStart(24, '0'), 'hex');
  }

  #expand(label: string, bytes: number): Buffer {
    const name = Buffer.from(`tls13 ${label}`);
    const info = Buffer.concat([Buffer.of(0, bytes, name.length), name, Buffer.of(0, 1)]);
    return createHmac(parameters[this.#suite][1], this.#secret).update(info).digest().subarray(0, bytes);
  }
}

export function secretFor(suite: SuiteName, fill = 7): Buffer {
  return Buffer.alloc(parameters[suite][1] === 'sha384' ? 48 : 32, fill);
}

/** Whole records, header included. */
export function splitRecords(bytes: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    records.push(bytes.subarray(at, end));
    at = end;
  }
  return records;
}
