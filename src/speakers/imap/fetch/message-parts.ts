// Cuts what FETCH asks for out of one message: BODY[section], BINARY[part], BINARY.SIZE[part]. The bytes are in memory
// when the message was pulled whole, else read range by range; a range that is the answer as it is can be streamed.
// Fails with MailError noSuchMessage when the message went away meanwhile, and with the account's faults.

import type { AccountPort } from '../../../account/port.ts';
import { summaryHeader, summaryHeaderBlock, summaryStructure } from '../../../account/summary.ts';
import type { Clock } from '../../../base/clock.ts';
import { Slicer } from '../../../base/slicer.ts';
import { asBuffer } from '../../../mail/bytes.ts';
import { headerFields } from '../../../mail/header.ts';
import type { MailboxId, Uid } from '../../../mail/ids.ts';
import { MailError } from '../../../mail/mail-error.ts';
import { numberedRange, partAt, type SectionText } from '../../../mail/mime/section.ts';
import type { MessageStructure } from '../../../mail/mime/structure.ts';
import { isIdentityEncoding, transferDecoder } from '../../../mail/transfer-encoding.ts';
import type { BodySection } from '../../../wire/imap/body-section.ts';
import type { Partial } from '../../../wire/imap/message-command.ts';
import { type ContentItem, chosenFields, isWhole } from './fetch-plan.ts';

/** Where an item's bytes are: a range of the message as it is or to be decoded, bytes made from it, nowhere (NIL). */
export type Located =
  | { readonly type: 'range'; readonly start: number; readonly end: number }
  | { readonly type: 'bytes'; readonly bytes: Buffer }
  /**
   * `total` decoded bytes behind the first `skip` of what the range decodes to: too much for memory. `mayHaveNul` is of all that
   * it decodes to.
   */
  | {
      readonly type: 'encoded';
      readonly start: number;
      readonly end: number;
      readonly encoding: string;
      readonly skip: number;
      readonly total: number;
      readonly mayHaveNul: boolean;
    }
  | undefined;

/** RFC 9051 6.4.5: what our decoders know; others are UNKNOWN-CTE. */
const knownEncodings: ReadonlySet<string> = new Set(['7bit', '8bit', 'binary', 'base64', 'quoted-printable']);

/** A millisecond or two of decoding. */
const decodeStepBytes = 256 * 1024;
/** Larger parts are decoded twice rather than held. */
const decodedBytesInMemory = 1024 * 1024;

/** RFC 3516 4.3: the part is encoded in a way we do not know. */
export class UnknownEncoding extends Error {
  constructor() {
    super('unknown content transfer encoding');
    this.name = 'UnknownEncoding';
  }
}

export interface MessageSource {
  readonly account: AccountPort;
  readonly mailboxId: MailboxId;
  readonly clock: Clock;
  readonly uid: number;
  readonly size: number;
  /** The whole message, when it is in memory. */
  readonly bytes: Buffer | undefined;
  /** As MessageBytes.isNulFree. */
  readonly isNulFree: boolean;
  /** Undefined when the plan needed none. */
  readonly summary: Uint8Array | undefined;
}

export class MessageParts {
  readonly source: MessageSource;
  #structure: MessageStructure | undefined;
  /** The message's own header, where the summary keeps it. */
  #header: Uint8Array | undefined;

  constructor(source: MessageSource) {
    this.source = source;
    if (source.bytes === undefined && source.summary !== undefined) {
      this.#header = summaryHeader(source.summary);
    }
  }

  /** With the item's partial applied. Resolved at once unless bytes have to be read and worked on. */
  locate(item: ContentItem): Located | Promise<Located> {
    if (isWhole(item)) return cut({ type: 'range', start: 0, end: this.source.size }, partialOf(item));
    if (item.type !== 'section') return this.#decoded(item.part, partialOf(item));
    const range = numberedRange(this.#parsed(), item.section.part, sectionText(item.section));
    if (range === undefined) return undefined;
    if (item.section.text !== 'headerFields' && item.section.text !== 'headerFieldsNot') {
      return cut({ type: 'range', ...range }, item.partial);
    }
    return this.#fields(range, item);
  }

  /** The bytes of a range; a range that is in memory costs nothing. */
  read(start: number, end: number): Buffer | Promise<Buffer> {
    const { bytes } = this.source;
    if (bytes !== undefined) return bytes.subarray(start, end);
    const header = this.#header;
    const headerStart = header === undefined ? 0 : this.#parsed().root.headerStart;
    if (header === undefined || start < headerStart || end > headerStart + header.length) {
      return this.#pull(start, end);
    }
    return Buffer.from(header.buffer, header.byteOffset + start - headerStart, end - start);
  }

  async #pull(start: number, end: number): Promise<Buffer> {
    if (start === end) return Buffer.alloc(0);
    const { account, mailboxId, uid } = this.source;
    const range = { offset: start, length: end - start };
    const bytes = await account.readRange(mailboxId, uid as Uid, range);
    if (bytes === undefined || bytes.length !== end - start) {
      throw new MailError('noSuchMessage', 'expunged while it was read');
    }
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #parsed(): MessageStructure {
    const structure = this.#structure ?? summaryStructure(this.source.summary!);
    this.#structure = structure;
    return structure;
  }

  async #fields(
    range: { readonly start: number; readonly end: number },
    item: ContentItem & { readonly type: 'section' },
  ): Promise<Located> {
    const header = await this.read(range.start, range.end);
    const indexed = item.section.part.length === 0 ? summaryHeaderBlock(this.source.summary!) : undefined;
    const block = indexed ?? headerFields(header);
    const body = numberedRange(this.#parsed(), item.section.part, 'TEXT');
    const hasBody = body !== undefined && body.end > body.start;
    const bytes = asBuffer(chosenFields(item, header, { block, hasBody }));
    return cut({ type: 'bytes', bytes }, item.partial);
  }

  async #decoded(part: readonly number[], partial: Partial | undefined): Promise<Located> {
    const found = partAt(this.#parsed(), part);
    if (found === undefined) return undefined;
    if (!knownEncodings.has(found.encoding)) throw new UnknownEncoding();
    const { bodyStart, bodyEnd, encoding } = found;
    if (isIdentityEncoding(encoding)) return cut({ type: 'range', start: bodyStart, end: bodyEnd }, partial);
    const inMemory = bodyEnd - bodyStart <= decodedBytesInMemory;
    const decoder = transferDecoder(encoding);
    const slicer = new Slicer(this.source.clock);
    const pieces: Buffer[] = [];
    let total = 0;
    let mayHaveNul = false;
    const add = (piece: Buffer): void => {
      total += piece.length;
      if (inMemory) pieces.push(piece);
      else mayHaveNul ||= piece.includes(0);
    };
    for (let at = bodyStart; at < bodyEnd; at += decodeStepBytes) {
      add(decoder.push(await this.read(at, Math.min(at + decodeStepBytes, bodyEnd))));
      if (slicer.due()) await slicer.rest();
    }
    add(decoder.end());
    if (inMemory) return cut({ type: 'bytes', bytes: Buffer.concat(pieces) }, partial);
    // Only its length is known now, and whether it has NULs, which the literal tells first; it is decoded again when it is sent.
    const encoded = { type: 'encoded', start: bodyStart, end: bodyEnd, encoding, mayHaveNul } as const;
    const skip = Math.min(partial?.offset ?? 0, total);
    return { ...encoded, skip, total: Math.min(partial?.bytes ?? total, total - skip) };
  }
}

function partialOf(item: ContentItem): Partial | undefined {
  return item.type === 'binarySize' ? undefined : item.partial;
}

/** Beyond the end there is nothing, which is an empty string and not NIL (RFC 9051 6.4.5). */
function cut(
  located: Exclude<Located, undefined | { type: 'encoded' }>,
  partial: Partial | undefined,
): Located {
  if (partial === undefined) return located;
  if (located.type === 'bytes') {
    return { type: 'bytes', bytes: located.bytes.subarray(partial.offset, partial.offset + partial.bytes) };
  }
  const start = Math.min(located.start + partial.offset, located.end);
  return { type: 'range', start, end: Math.min(start + partial.bytes, located.end) };
}

function sectionText(section: BodySection): SectionText | undefined {
  switch (section.text) {
    case 'whole':
      return undefined;
    case 'text':
      return 'TEXT';
    case 'mime':
      return 'MIME';
    default:
      return 'HEADER';
  }
}
