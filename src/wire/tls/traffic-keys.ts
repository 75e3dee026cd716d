// The protection of TLS 1.3's records in one direction (RFC 8446 5.2, 5.3, 7.2, 7.3), with the keys that a handshake has agreed
// on; ciphers are node:crypto's. Invariants: a sequence number is used once with a key; what does not open counts for nothing
// and leaves the keys as they are.

import { type CipherGCMTypes, createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { assert } from '../../base/assert.ts';

export const recordHeaderBytes = 5;
/** Of every record that is protected: the others' types are inside. */
export const protectedRecord = 23;
const legacyVersion = 0x0303;
/** RFC 8446 5.1. */
export const contentBytesMax = 16 * 1024;
/** RFC 8446 5.2: content, its type, padding and tag. */
export const sealedBytesMax = contentBytesMax + 256;
export const tagBytes = 16;
const ivBytes = 12;
/** What a record adds to its content: header, type of the content, tag. */
export const recordOverheadBytes = recordHeaderBytes + 1 + tagBytes;

/** Below this it costs more to give memory back than to leave it to the collector. */
const releasedBytesMin = 2 * 1024;

interface CipherSuite {
  readonly algorithm: CipherGCMTypes;
  readonly hash: 'sha256' | 'sha384';
  readonly keyBytes: number;
  readonly secretBytes: number;
}

/** RFC 8446 B.4. The two with CCM are for small devices, and no context of ours offers them. */
const suites: Readonly<Record<string, CipherSuite>> = {
  TLS_AES_128_GCM_SHA256: { algorithm: 'aes-128-gcm', hash: 'sha256', keyBytes: 16, secretBytes: 32 },
  TLS_AES_256_GCM_SHA384: { algorithm: 'aes-256-gcm', hash: 'sha384', keyBytes: 32, secretBytes: 48 },
  TLS_CHACHA20_POLY1305_SHA256: {
    // Node takes it as it takes the others; its types know it apart.
    algorithm: 'chacha20-poly1305' as CipherGCMTypes,
    hash: 'sha256',
    keyBytes: 32,
    secretBytes: 32,
  },
};

// One record is worked on at a time: these are filled anew for each.
const nonce = Buffer.alloc(ivBytes);
const header = Buffer.alloc(recordHeaderBytes);

export class TrafficKeys {
  readonly #suite: CipherSuite;
  /** Secret, key and IV in one: a session has it as long as it is open. */
  #material: Buffer;
  #sequence = 0;

  /** `suiteName` as RFC 8446 B.4 writes it; `secret`: client_ or server_application_traffic_secret_N. */
  constructor(suiteName: string, secret: Buffer) {
    const suite = suites[suiteName];
    assert(suite !== undefined && secret.length === suite.secretBytes, `a secret of ${suiteName}`);
    this.#suite = suite;
    this.#material = materialOf(suite, secret);
  }

  /** How many records these keys have protected or opened. */
  get sequence(): number {
    return this.#sequence;
  }

  /**
   * One whole record, header included: its content with the type behind it, and what padding it has. Undefined: it was not
   * protected with these keys, or has been changed. Large content is written over the record.
   */
  open(record: Buffer): Buffer | undefined {
    const opened = this.peek(record);
    if (opened === undefined) return undefined;
    this.#sequence++;
    if (opened.length < releasedBytesMin) return opened;
    record.set(opened);
    const content = record.subarray(0, opened.length);
    release(opened);
    return content;
  }

  /** The next record, or so many of them, is one that somebody else has protected or opened. */
  skip(records = 1): void {
    this.#sequence += records;
  }

  /** As `open`; the record stays what it is, and the next one of these keys. */
  peek(record: Buffer): Buffer | undefined {
    const tagAt = record.length - tagBytes;
    if (tagAt <= recordHeaderBytes) return undefined;
    const { algorithm } = this.#suite;
    const decipher = createDecipheriv(algorithm, this.#key(), this.#nonce(), { authTagLength: tagBytes });
    decipher.setAAD(record.subarray(0, recordHeaderBytes));
    decipher.setAuthTag(record.subarray(tagAt));
    const inner = decipher.update(record.subarray(recordHeaderBytes, tagAt));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return inner;
  }

  /** Protects content with its type behind it as one record at `at` of `target`; returns where the record ends. */
  seal(inner: Buffer, target: Buffer, at: number): number {
    assert(inner.length <= contentBytesMax + 1, 'the content of one record');
    const { algorithm } = this.#suite;
    header.writeUInt8(protectedRecord, 0);
    header.writeUInt16BE(legacyVersion, 1);
    header.writeUInt16BE(inner.length + tagBytes, 3);
    const cipher = createCipheriv(algorithm, this.#key(), this.#nonce(), { authTagLength: tagBytes });
    cipher.setAAD(header);
    const sealed = cipher.update(inner);
    cipher.final();
    this.#sequence++;
    target.set(header, at);
    target.set(sealed, at + recordHeaderBytes);
    const tagAt = at + recordHeaderBytes + sealed.length;
    target.set(cipher.getAuthTag(), tagAt);
    if (sealed.length >= releasedBytesMin) release(sealed);
    return tagAt + tagBytes;
  }

  /** RFC 8446 7.2: the next generation of keys. */
  update(): void {
    const { hash, secretBytes } = this.#suite;
    const secret = expandLabel(hash, this.#material.subarray(0, secretBytes), 'traffic upd', secretBytes);
    this.#material.fill(0);
    this.#material = materialOf(this.#suite, secret);
    this.#sequence = 0;
  }

  #key(): Buffer {
    const { secretBytes, keyBytes } = this.#suite;
    return this.#material.subarray(secretBytes, secretBytes + keyBytes);
  }

  /** RFC 8446 5.3: the IV and the sequence number, bit by bit. */
  #nonce(): Buffer {
    nonce.set(this.#material.subarray(-ivBytes));
    const low = this.#sequence % 0x1_0000_0000;
    const high = (this.#sequence - low) / 0x1_0000_0000;
    nonce.writeUInt32BE((nonce.readUInt32BE(4) ^ high) >>> 0, 4);
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ low) >>> 0, 8);
    return nonce;
  }
}

/**
 * Gives back the memory of what a cipher has returned, now rather than at the next collection: V8 collects old and young for
 * a few megabytes of such buffers, and each record would be written to memory that no cache has.
 */
function release(buffer: Buffer): void {
  // Never what others have a part of.
  if (buffer.buffer.byteLength === buffer.length) (buffer.buffer as ArrayBuffer).transfer(0);
}

function materialOf({ hash, keyBytes }: CipherSuite, secret: Buffer): Buffer {
  const key = expandLabel(hash, secret, 'key', keyBytes);
  const iv = expandLabel(hash, secret, 'iv', ivBytes);
  // Not from the pool, whose 8 KB would stay with it.
  const material = Buffer.alloc(secret.length + keyBytes + ivBytes);
  material.set(secret);
  material.set(key, secret.length);
  material.set(iv, secret.length + keyBytes);
  return material;
}

/** RFC 8446 7.1 with an empty context: HKDF-Expand (RFC 5869 2.3) of not more than one block. */
function expandLabel(hash: 'sha256' | 'sha384', secret: Buffer, label: string, bytes: number): Buffer {
  const name = `tls13 ${label}`;
  const info = Buffer.alloc(3 + name.length + 2);
  info.writeUInt16BE(bytes, 0);
  info.writeUInt8(name.length, 2);
  info.write(name, 3, 'latin1');
  // Behind it the context's length, 0, and the block's number.
  info.writeUInt8(1, info.length - 1);
  return createHmac(hash, secret).update(info).digest().subarray(0, bytes);
}
