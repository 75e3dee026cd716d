// A MessageStructure as few bytes, stored with each message and decoded in a few microseconds: varints, offsets as
// differences from where they are expected, common names as numbers.
//
// Invariant: decodeStructure(encodeStructure(s)) equals s. On disk: codes are never reordered, new ones are appended,
// and another layout gets another version. Bytes that are not such an encoding are a Fault (a damaged record).

import { Fault } from '../../base/fault.ts';
import { asBuffer } from '../bytes.ts';
import { type Envelope, emptyEnvelope, envelopeKeys } from './envelope.ts';
import type { Disposition, HeaderParameter, MessagePart, MessageStructure } from './structure.ts';

const version = 1;
/** Deeper than any parse gives (mimeLimits.depthMax twice over): a damaged record must not exhaust the stack. */
const decodeDepthMax = 400;

/** Strings that need one byte. Index 0 means "spelled out". On disk: append only. */
const mediaTypes = [
  '',
  'text/plain',
  'text/html',
  'multipart/mixed',
  'multipart/alternative',
  'multipart/related',
  'multipart/signed',
  'multipart/report',
  'message/rfc822',
  'message/delivery-status',
  'application/octet-stream',
  'application/pdf',
  'image/jpeg',
  'image/png',
  'image/gif',
  'text/calendar',
  'application/pkcs7-signature',
  'application/pgp-signature',
  'multipart/digest',
  'message/global',
];
const encodings = ['', '7bit', '8bit', 'quoted-printable', 'base64', 'binary'];
const parameterNames = [
  '',
  'charset',
  'boundary',
  'name',
  'filename',
  'format',
  'type',
  'size',
  'delsp',
  'protocol',
  'micalg',
];
const parameterValues = [
  '',
  'utf-8',
  'UTF-8',
  'us-ascii',
  'iso-8859-1',
  'ISO-8859-1',
  'US-ASCII',
  'flowed',
  'windows-1252',
  'yes',
];
const dispositions = ['', 'attachment', 'inline'];

/** Bits of a part's flags: which of the optional fields follow. */
const hasParameters = 1;
const hasId = 2;
const hasDescription = 4;
const hasMd5 = 8;
const hasDisposition = 16;
const hasLanguage = 32;
const hasLocation = 64;
const hasInner = 128;

type CodeTable = ReadonlyMap<string, number>;

function codesOf(values: readonly string[]): CodeTable {
  return new Map(values.map((value, code) => [value, code] as const).filter(([, code]) => code > 0));
}

const mediaTypeCodes = codesOf(mediaTypes);
const encodingCodes = codesOf(encodings);
const parameterNameCodes = codesOf(parameterNames);
const parameterValueCodes = codesOf(parameterValues);
const dispositionCodes = codesOf(dispositions);

/** Parts in a step of encodeStructureSteps: less than a millisecond. */
const stepParts = 1000;

/** Encodes the tree with the envelopes of nested messages (the message's own is stored with encodeEnvelope). */
export function encodeStructure(structure: MessageStructure): Buffer {
  const writer = new TreeWriter(structure);
  writer.run(Number.MAX_SAFE_INTEGER);
  return writer.bytes();
}

/** The same in steps of 1,000 parts. */
export function* encodeStructureSteps(structure: MessageStructure): Generator<undefined, Buffer, void> {
  const writer = new TreeWriter(structure);
  while (!writer.run(stepParts)) yield undefined;
  return writer.bytes();
}

export function decodeStructure(bytes: Uint8Array): MessageStructure {
  const reader = new Reader(asBuffer(bytes));
  if (reader.number() !== version) throw damaged('unknown version');
  const size = reader.number();
  const root = reader.root('', 0, 0);
  return { size, root };
}

export function encodeEnvelope(envelope: Envelope): Buffer {
  const writer = new Writer();
  writer.envelope(envelope);
  return writer.bytes();
}

export function decodeEnvelope(bytes: Uint8Array): Envelope {
  return new Reader(asBuffer(bytes)).envelope();
}

function damaged(what: string): Fault {
  return new Fault(`damaged message structure: ${what}`, { temporary: false });
}

class Writer {
  #buffer = Buffer.allocUnsafe(512);
  #length = 0;

  bytes(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#length));
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }

  /** An unsigned integer below 2^53, seven bits a byte, low ones first. */
  number(value: number): void {
    this.#room(8);
    let rest = value;
    while (rest >= 128) {
      this.#buffer[this.#length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[this.#length++] = rest;
  }

  text(value: string): void {
    this.number(value.length);
    this.#room(value.length);
    this.#buffer.write(value, this.#length, 'latin1');
    this.#length += value.length;
  }

  coded(value: string, codes: CodeTable): void {
    const code = codes.get(value) ?? 0;
    this.number(code);
    if (code === 0) this.text(value);
  }

  parameters(parameters: readonly HeaderParameter[]): void {
    this.number(parameters.length);
    for (const [name, value] of parameters) {
      this.coded(name, parameterNameCodes);
      this.coded(value, parameterValueCodes);
    }
  }

  /** A bit for each value present; sender and reply-to are often the same as from and are left out then. */
  envelope(envelope: Envelope): void {
    let present = 0;
    for (let index = 0; index < envelopeKeys.length; index++) {
      const key = envelopeKeys[index]!;
      const value = envelope[key];
      if (value === undefined) continue;
      present |=
        (key === 'sender' || key === 'replyTo') && value === envelope.from ? 1 << (index + 10) : 1 << index;
    }
    this.number(present);
    for (let index = 0; index < envelopeKeys.length; index++) {
      if ((present >> index) & 1) this.text(envelope[envelopeKeys[index]!]!);
    }
  }
}

/** Parts side by side that are being written. */
interface Siblings {
  readonly parts: readonly MessagePart[];
  next: number;
  /** Where the next one starts if nothing lies before it. */
  expected: number;
}

/** Writes part after part, each before what is in it. */
class TreeWriter extends Writer {
  readonly #open: Siblings[];

  constructor({ size, root }: MessageStructure) {
    super();
    this.number(version);
    this.number(size);
    this.#open = [{ parts: [root], next: 0, expected: 0 }];
  }

  /** Writes so many more parts; true when none is left. */
  run(parts: number): boolean {
    for (let left = parts; left > 0; left--) {
      const siblings = this.#open.at(-1);
      if (siblings === undefined) return true;
      const part = siblings.parts[siblings.next++]!;
      const { expected } = siblings;
      siblings.expected = part.bodyEnd;
      if (siblings.next === siblings.parts.length) this.#open.pop();
      this.#part(part, expected);
    }
    return this.#open.length === 0;
  }

  /** `expected` is where the part would start if nothing lay between it and what came before. */
  #part(part: MessagePart, expected: number): void {
    const flags =
      (part.parameters.length > 0 ? hasParameters : 0) |
      (part.id !== undefined ? hasId : 0) |
      (part.description !== undefined ? hasDescription : 0) |
      (part.md5 !== undefined ? hasMd5 : 0) |
      (part.disposition !== undefined ? hasDisposition : 0) |
      (part.language.length > 0 ? hasLanguage : 0) |
      (part.location !== undefined ? hasLocation : 0) |
      (part.children.length > 0 || part.message !== undefined ? hasInner : 0);
    this.number(flags);
    this.coded(`${part.type}/${part.subtype}`, mediaTypeCodes);
    this.coded(part.encoding, encodingCodes);
    this.number(part.headerStart - expected);
    this.number(part.headerEnd - part.headerStart);
    this.number(part.bodyEnd - part.bodyStart);
    this.number(part.lines);
    if (flags & hasParameters) this.parameters(part.parameters);
    if (flags & hasId) this.text(part.id!);
    if (flags & hasDescription) this.text(part.description!);
    if (flags & hasMd5) this.text(part.md5!);
    if (flags & hasDisposition) {
      this.coded(part.disposition!.type, dispositionCodes);
      this.parameters(part.disposition!.parameters);
    }
    if (flags & hasLanguage) {
      this.number(part.language.length);
      for (const tag of part.language) this.text(tag);
    }
    if (flags & hasLocation) this.text(part.location!);
    if (flags & hasInner) this.#inner(part);
  }

  /** They come next. */
  #inner({ children, message, bodyStart }: MessagePart): void {
    this.number(children.length);
    if (message !== undefined) this.envelope(message.envelope);
    this.#open.push({
      parts: message === undefined ? children : [message.root],
      next: 0,
      expected: bodyStart,
    });
  }
}

class Reader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  number(): number {
    let value = 0;
    let scale = 1;
    for (let index = 0; index < 8; index++) {
      const byte = this.#bytes[this.#position++];
      if (byte === undefined) throw damaged('cut off');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    throw damaged('number too long');
  }

  text(): string {
    const length = this.number();
    const start = this.#position;
    if (start + length > this.#bytes.length) throw damaged('cut off');
    this.#position = start + length;
    return this.#bytes.toString('latin1', start, this.#position);
  }

  coded(values: readonly string[]): string {
    const code = this.number();
    if (code === 0) return this.text();
    const value = values[code];
    if (value === undefined) throw damaged('unknown code');
    return value;
  }

  /** The root of a message that lies in the part with number `path` ('' for the message itself). */
  root(path: string, expected: number, depth: number): MessagePart {
    const leafPath = path === '' ? '1' : `${path}.1`;
    return this.part((type) => (type === 'multipart' ? path : leafPath), expected, depth);
  }

  part(pathOf: (type: string) => string, expected: number, depth: number): MessagePart {
    if (depth > decodeDepthMax) throw damaged('too deep');
    const flags = this.number();
    const media = this.coded(mediaTypes);
    const slash = media.indexOf('/');
    const type = media.slice(0, slash);
    const path = pathOf(type);
    const encoding = this.coded(encodings);
    const headerStart = expected + this.number();
    const headerEnd = headerStart + this.number();
    const bodyEnd = headerEnd + this.number();
    const lines = this.number();
    const parameters = flags & hasParameters ? this.parameters() : [];
    const id = flags & hasId ? this.text() : undefined;
    const description = flags & hasDescription ? this.text() : undefined;
    const md5 = flags & hasMd5 ? this.text() : undefined;
    const disposition = flags & hasDisposition ? this.disposition() : undefined;
    const language = flags & hasLanguage ? this.list(() => this.text()) : [];
    const location = flags & hasLocation ? this.text() : undefined;
    const inner = flags & hasInner ? this.inner(path, headerEnd, depth + 1) : noInner;
    return {
      path,
      headerStart,
      headerEnd,
      bodyStart: headerEnd,
      bodyEnd,
      lines,
      type,
      subtype: media.slice(slash + 1),
      parameters,
      id,
      description,
      encoding,
      md5,
      disposition,
      language,
      location,
      children: inner.children,
      message: inner.message,
    };
  }

  inner(path: string, bodyStart: number, depth: number): Pick<MessagePart, 'children' | 'message'> {
    const count = this.number();
    if (count === 0) {
      const envelope = this.envelope();
      return { children: [], message: { envelope, root: this.root(path, bodyStart, depth) } };
    }
    const children: MessagePart[] = [];
    let expected = bodyStart;
    for (let index = 1; index <= count; index++) {
      const childPath = path === '' ? String(index) : `${path}.${index}`;
      const child = this.part(() => childPath, expected, depth);
      children.push(child);
      expected = child.bodyEnd;
    }
    return { children, message: undefined };
  }

  disposition(): Disposition {
    return { type: this.coded(dispositions), parameters: this.parameters() };
  }

  parameters(): HeaderParameter[] {
    return this.list(() => [this.coded(parameterNames), this.coded(parameterValues)]);
  }

  list<T>(read: () => T): T[] {
    const items: T[] = [];
    for (let left = this.number(); left > 0; left--) items.push(read());
    return items;
  }

  envelope(): Envelope {
    const present = this.number();
    const envelope = emptyEnvelope();
    for (let index = 0; index < envelopeKeys.length; index++) {
      if ((present >> index) & 1) envelope[envelopeKeys[index]!] = this.text();
      else if ((present >> (index + 10)) & 1) envelope[envelopeKeys[index]!] = envelope.from;
    }
    return envelope;
  }
}

const noInner: Pick<MessagePart, 'children' | 'message'> = { children: [], message: undefined };
