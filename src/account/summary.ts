// The summary of a message: what protocols ask for most, encoded once at delivery and stored ready to send.
// Layout: version, the Date header's day, then sections with their lengths up front, so that each is found without
// looking at the others:  0 IMAP ENVELOPE   1 IMAP BODYSTRUCTURE   2 structure (mail/mime/structure-codec.ts)
//   3 header index   4 preview (UTF-8)   5 the header's bytes, of larger messages only
// Invariant: made from the message's bytes alone, so store check can make it again. Sections are only appended; a
// changed one is a new version. A summary that is not one throws Fault (a damaged record would have failed before).

import { Fault } from '../base/fault.ts';
import { asBuffer } from '../mail/bytes.ts';
import { type HeaderBlock, offsetsPerField } from '../mail/header.ts';
import type { MessageStructure } from '../mail/mime/structure.ts';
import { decodeStructure } from '../mail/mime/structure-codec.ts';
import { formatBody } from '../wire/imap/format-body-structure.ts';

const version = 1;
const sectionCount = 6;
const headBytes = 1 + 4 + sectionCount * 4;
const noDay = -0x8000_0000;

/** Headers with more fields are scanned again instead. */
const indexedFieldsMax = 1_000;

export interface SummarySections {
  /** Days since 1970 of the Date header, in its own zone (RFC 9051 SENTON disregards time and zone). */
  readonly sentDay: number | undefined;
  /** Latin1, as is bodyStructure: one character a byte. */
  readonly envelope: string;
  readonly bodyStructure: string;
  readonly structure: Uint8Array;
  readonly header: HeaderBlock;
  readonly preview: string;
  /** Undefined: read it from the message. */
  readonly headerBytes: Uint8Array | undefined;
}

export function encodeSummary(sections: SummarySections): Buffer {
  const { envelope, bodyStructure, structure, preview } = sections;
  const index = encodeHeaderIndex(sections.header);
  const headerBytes = sections.headerBytes ?? noBytes;
  const previewLength = Buffer.byteLength(preview);
  const lengths = [
    envelope.length,
    bodyStructure.length,
    structure.length,
    index.length,
    previewLength,
    headerBytes.length,
  ];
  const summary = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + length, headBytes));
  summary[0] = version;
  summary.writeInt32BE(sections.sentDay ?? noDay, 1);
  for (let section = 0; section < sectionCount; section++) {
    summary.writeUInt32BE(lengths[section]!, 5 + section * 4);
  }
  let position = headBytes;
  position += summary.write(envelope, position, 'latin1');
  position += summary.write(bodyStructure, position, 'latin1');
  summary.set(structure, position);
  position += structure.length;
  summary.set(index, position);
  position += index.length;
  position += summary.write(preview, position, 'utf8');
  summary.set(headerBytes, position);
  return summary;
}

const noBytes = new Uint8Array();

/** From one byte of a summary to before another. */
interface SectionRange {
  readonly start: number;
  readonly end: number;
}

function sectionRange(summary: Uint8Array, wanted: number): SectionRange {
  if (summary.length < headBytes || summary[0] !== version) {
    throw new Fault('a message summary of unknown form', { temporary: false });
  }
  let start = headBytes;
  let place = 5;
  for (let before = 0; before < wanted; before++, place += 4) start += uint32At(summary, place);
  return { start, end: start + uint32At(summary, place) };
}

function uint32At(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function section(summary: Uint8Array, wanted: number): Buffer {
  const { start, end } = sectionRange(summary, wanted);
  return asBuffer(summary).subarray(start, end);
}

/** Where the IMAP ENVELOPE answer is, parentheses included: thousands are copied from there, without a view for each. */
export function summaryEnvelopeRange(summary: Uint8Array): SectionRange {
  return sectionRange(summary, 0);
}

/** Where the IMAP BODYSTRUCTURE answer is. */
export function summaryBodyStructureRange(summary: Uint8Array): SectionRange {
  return sectionRange(summary, 1);
}

/** The IMAP BODY answer (without extension data), made from the structure: few clients ask for it. */
export function summaryBody(summary: Uint8Array): Uint8Array {
  return Buffer.from(formatBody(summaryStructure(summary).root), 'latin1');
}

/** The tree of parts with offsets into the message. */
export function summaryStructure(summary: Uint8Array): MessageStructure {
  return decodeStructure(section(summary, 2));
}

/**
 * Where the fields of the message's own header are; undefined when there are too many: scan the header's bytes. `room`: for the
 * offsets of a block that is of use until the next one; left away, they are the block's own.
 */
export function summaryHeaderBlock(summary: Uint8Array, room?: Int32Array): HeaderBlock | undefined {
  return decodeHeaderIndex(section(summary, 3), room);
}

/** The beginning of the text, at most 200 characters (RFC 8970); '' when there is none. */
export function summaryPreview(summary: Uint8Array): string {
  return section(summary, 4).toString('utf8');
}

/** The bytes of the message's own header with its blank line; undefined: they are not here, read the message. A view. */
export function summaryHeader(summary: Uint8Array): Uint8Array | undefined {
  const bytes = section(summary, 5);
  return bytes.length === 0 ? undefined : bytes;
}

/** Days since 1970 of the Date header; undefined when it has none that can be read. */
export function summarySentDay(summary: Uint8Array): number | undefined {
  const day = asBuffer(summary).readInt32BE(1);
  return day === noDay ? undefined : day;
}

/** Fields lie one behind the other: three varints each tell name, gap to the value, and value. */
function encodeHeaderIndex(header: HeaderBlock): Buffer {
  const { offsets, count } = header;
  if (count > indexedFieldsMax || header.start !== 0) return Buffer.alloc(0);
  const numbers = [count, header.fieldsEnd, header.end - header.fieldsEnd];
  for (let base = 0; base < count * offsetsPerField; base += offsetsPerField) {
    const nameStart = offsets[base]!;
    const expected = base === 0 ? 0 : offsets[base - 1]!;
    if (nameStart !== expected) return Buffer.alloc(0);
    numbers.push(
      offsets[base + 1]! - nameStart,
      offsets[base + 2]! - offsets[base + 1]!,
      offsets[base + 3]! - offsets[base + 2]!,
    );
  }
  const bytes = Buffer.allocUnsafe(numbers.length * 5);
  let position = 0;
  for (let number of numbers) {
    for (; number > 127; number = Math.floor(number / 128)) bytes[position++] = (number & 127) | 128;
    bytes[position++] = number;
  }
  return bytes.subarray(0, position);
}

function decodeHeaderIndex(bytes: Buffer, room: Int32Array | undefined): HeaderBlock | undefined {
  if (bytes.length === 0) return undefined;
  let position = 0;
  const number = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[position++]!;
      value += (byte & 127) * scale;
      if (!(byte >= 128)) return value;
    }
  };
  const count = number();
  const fieldsEnd = number();
  const end = fieldsEnd + number();
  const length = count * offsetsPerField;
  const offsets = room !== undefined && room.length >= length ? room : new Int32Array(length);
  let start = 0;
  for (let base = 0; base < length; base += offsetsPerField) {
    offsets[base] = start;
    start += number();
    offsets[base + 1] = start;
    start += number();
    offsets[base + 2] = start;
    start += number();
    offsets[base + 3] = start;
  }
  return { offsets, count, start: 0, fieldsEnd, end, scanned: 0 };
}
