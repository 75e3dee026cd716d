// The one pass over a message's bytes: headers, boundaries, nested messages → the tree of parts, the envelope and
// the header index.
//
// Invariants: never throws and never refuses; time is linear in the bytes whatever they are (each byte is looked at a
// bounded number of times; open boundaries are found by a map, not by walking the stack); beyond a limit the rest
// is opaque body. `work` counts what was looked at, so that a test can show the linearity without a clock.

import { asBuffer } from '../bytes.ts';
import { type HeaderBlock, headerBytesMax, headerFields, headerFieldsMax } from '../header.ts';
import { isIdentityEncoding } from '../transfer-encoding.ts';
import { BoundaryStack } from './boundary-stack.ts';
import { type Envelope, envelopeOf } from './envelope.ts';
import { LineCounter } from './line-counter.ts';
import { type PartHeader, partHeader, plainTextHeader } from './part-header.ts';
import { isMessageType, type MessagePart, type MessageStructure, rawParameter } from './structure.ts';

export interface MimeLimits {
  /** Multiparts and messages inside one another. Real mail stays below 20; recursion elsewhere relies on it. */
  readonly depthMax: number;
  /** Parts of one message. Each costs an object and a line in BODYSTRUCTURE. */
  readonly partsMax: number;
  /** Bytes of one part's header. */
  readonly headerBytesMax: number;
  /** Fields of one part's header. */
  readonly headerFieldsMax: number;
}

export const mimeLimits: MimeLimits = { depthMax: 100, partsMax: 10_000, headerBytesMax, headerFieldsMax };

export interface ParsedMessage extends MessageStructure {
  readonly envelope: Envelope;
  /** The fields of the message's own header. */
  readonly header: HeaderBlock;
  /** True when the limit on depth or parts was reached and some body was not looked into. */
  readonly limited: boolean;
  /** Bytes looked at. At most a small multiple of `size`. */
  readonly work: number;
}

/** How far a step goes before its caller may give others a turn. */
const stepBytes = 256 * 1024;
/** The same for messages of very many small parts, each a few microseconds. */
const stepParts = 1000;

/** Parses a whole message at once. For messages of many megabytes use parseMessageSteps. */
export function parseMessage(bytes: Uint8Array, limits: MimeLimits = mimeLimits): ParsedMessage {
  const parser = new MessageParser(asBuffer(bytes), limits);
  parser.run(Number.MAX_SAFE_INTEGER);
  return parser.result();
}

/** The same in steps of about 256 KiB, each yielding the position reached; returns the result. */
export function* parseMessageSteps(
  bytes: Uint8Array,
  limits: MimeLimits = mimeLimits,
): Generator<number, ParsedMessage, void> {
  const parser = new MessageParser(asBuffer(bytes), limits);
  for (let until = stepBytes; !parser.run(until); until = parser.position + stepBytes) yield parser.position;
  return parser.result();
}

type MutablePart = { -readonly [Key in keyof MessagePart]: MessagePart[Key] } & { children: MutablePart[] };

/** An empty one with what its header says, each by its name: a spread would look all of them up again. */
function newPart(header: PartHeader, headerStart: number, headerEnd: number): MutablePart {
  return {
    path: '',
    headerStart,
    headerEnd,
    bodyStart: headerEnd,
    bodyEnd: headerEnd,
    lines: 0,
    type: header.type,
    subtype: header.subtype,
    parameters: header.parameters,
    id: header.id,
    description: header.description,
    encoding: header.encoding,
    md5: header.md5,
    disposition: header.disposition,
    language: header.language,
    location: header.location,
    children: [],
    message: undefined,
  };
}

/** A part whose end was not seen yet. */
interface Frame {
  readonly part: MutablePart;
  /** Its boundary is on the stack of boundaries. */
  hasBoundary: boolean;
  /** Its lines are being counted, from `linesBefore`. */
  counting: boolean;
  linesBefore: number;
}

const lineFeed = 10;
const carriageReturn = 13;
const dash = 45;
const lineThenDashes = Buffer.from('\n--');

class MessageParser {
  readonly #bytes: Buffer;
  readonly #limits: MimeLimits;
  readonly #open: Frame[] = [];
  readonly #boundaries: BoundaryStack;
  readonly #lines: LineCounter;
  #position = 0;
  /** What comes at `position`: the header of a part, or a body in which the next boundary is to be found. */
  #atPart = true;
  #partsLeft: number;
  #limited = false;
  #work = 0;
  #root: MessagePart | undefined;
  #header: HeaderBlock | undefined;
  #envelope: Envelope | undefined;

  constructor(bytes: Buffer, limits: MimeLimits) {
    this.#bytes = bytes;
    this.#limits = limits;
    this.#partsLeft = limits.partsMax;
    this.#boundaries = new BoundaryStack(bytes);
    this.#lines = new LineCounter(bytes);
  }

  get position(): number {
    return this.#position;
  }

  /** Works until `position` is at or beyond `until`; true when the message is done. */
  run(until: number): boolean {
    const size = this.#bytes.length;
    const pauseAtPartsLeft = until === Number.MAX_SAFE_INTEGER ? -1 : this.#partsLeft - stepParts;
    while (this.#atPart || this.#position < size) {
      if (this.#position >= until || (this.#atPart && this.#partsLeft <= pauseAtPartsLeft)) return false;
      if (this.#atPart) this.#startPart();
      else if (this.#boundaries.size === 0 || this.#partsLeft <= 0) this.#skip(Math.min(until, size));
      else this.#findBoundary(Math.min(until, size));
    }
    this.#closeDownTo(0, size);
    return true;
  }

  result(): ParsedMessage {
    return {
      size: this.#bytes.length,
      root: this.#root!,
      envelope: this.#envelope!,
      header: this.#header!,
      limited: this.#limited,
      work: this.#work + this.#lines.work,
    };
  }

  /** Reads the header at `position`, makes the part and opens it. */
  #startPart(): void {
    const bytes = this.#bytes;
    const parent = this.#open.at(-1);
    const block = headerFields(bytes, this.#position, bytes.length, {
      bytesMax: this.#limits.headerBytesMax,
      fieldsMax: this.#limits.headerFieldsMax,
      end: this.#boundaries.size > 0 ? this.#boundaries : undefined,
    });
    this.#work += block.scanned;
    const inDigest = parent?.part.type === 'multipart' && parent.part.subtype === 'digest';
    const part = newPart(partHeader(bytes, block, inDigest), block.start, block.end);
    this.#place(part, parent, block);
    this.#partsLeft--;
    this.#position = block.end;
    this.#atPart = false;
    this.#openPart(part);
  }

  /** Puts the part where it belongs: into the multipart or message that is open, or at the root. */
  #place(part: MutablePart, parent: Frame | undefined, block: HeaderBlock): void {
    if (parent === undefined) {
      part.path = part.type === 'multipart' ? '' : '1';
      this.#root = part;
      this.#header = block;
      this.#envelope = envelopeOf(this.#bytes, block);
      return;
    }
    if (parent.part.type === 'multipart') {
      this.#addChild(parent, part);
      return;
    }
    part.path = part.type === 'multipart' ? parent.part.path : `${parent.part.path}.1`;
    parent.part.message = { envelope: envelopeOf(this.#bytes, block), root: part };
  }

  #addChild(parent: Frame, part: MutablePart): void {
    const children = parent.part.children;
    children.push(part);
    const prefix = parent.part.path;
    part.path = prefix === '' ? String(children.length) : `${prefix}.${children.length}`;
    if (parent.counting) {
      parent.counting = false;
      this.#lines.release();
    }
  }

  #openPart(part: MutablePart): void {
    const isMultipart = part.type === 'multipart';
    const boundary = isMultipart ? rawParameter(part.parameters, 'boundary') : undefined;
    const isMessage = isMessageType(part.type, part.subtype) && isIdentityEncoding(part.encoding);
    const mayGoDeeper = this.#open.length + 1 < this.#limits.depthMax && this.#partsLeft > 0;
    if ((isMultipart || isMessage) && !mayGoDeeper) this.#limited = true;
    const hasBoundary = boundary !== undefined && boundary !== '' && mayGoDeeper;
    const isOpenMessage = isMessage && mayGoDeeper;
    // A multipart's lines are wanted only when it turns out to have no parts: its text becomes the only one then.
    const counting = part.type === 'text' || isOpenMessage || isMultipart;
    const linesBefore = counting ? this.#lines.open(part.bodyStart) : 0;
    this.#open.push({ part, hasBoundary, counting, linesBefore });
    if (hasBoundary) this.#boundaries.push(boundary, this.#open.length - 1);
    if (isOpenMessage) this.#atPart = true;
  }

  /** No boundary can come any more: goes on to `end`, counting lines. */
  #skip(end: number): void {
    this.#position = end;
    if (this.#partsLeft <= 0 && this.#boundaries.size > 0) this.#limited = true;
    this.#lines.advance(end - 2);
  }

  /** Looks for a boundary that starts before `end`. */
  #findBoundary(end: number): void {
    const bytes = this.#bytes;
    const start = this.#position;
    let lineStart = 0;
    if (start > 0 || bytes[0] !== dash || bytes[1] !== dash) {
      const from = start > 0 ? start - 1 : 0;
      const window = end < bytes.length ? bytes.subarray(0, Math.min(end + 2, bytes.length)) : bytes;
      const found = window.indexOf(lineThenDashes, from);
      if (found === -1) {
        this.#work += end - start;
        this.#position = end;
        // A boundary that comes later takes at most the line break before it out of the body.
        this.#lines.advance(end - 2);
        return;
      }
      lineStart = found + 1;
    }
    const match = this.#boundaries.match(lineStart + 2);
    const lineEnd = this.#boundaries.lineEnd;
    this.#work += lineEnd - start;
    this.#position = lineEnd;
    if (match === -1) this.#lines.advance(lineEnd - 2);
    else this.#atBoundary(match >> 1, (match & 1) === 1, lineStart);
  }

  #atBoundary(index: number, isClosing: boolean, lineStart: number): void {
    const end = this.#beforeLineBreak(lineStart);
    this.#closeDownTo(index + 1, end);
    const frame = this.#open[index]!;
    if (isClosing) {
      this.#endChildren(frame, Math.max(end, frame.part.bodyStart));
      return;
    }
    // A boundary at the very end of a message that was cut off announces nothing.
    this.#atPart = this.#position < this.#bytes.length || frame.part.children.length === 0;
  }

  /** The line break before a boundary belongs to it (RFC 2046 5.1.1). */
  #beforeLineBreak(lineStart: number): number {
    const bytes = this.#bytes;
    if (lineStart === 0 || bytes[lineStart - 1] !== lineFeed) return lineStart;
    return lineStart > 1 && bytes[lineStart - 2] === carriageReturn ? lineStart - 2 : lineStart - 1;
  }

  /** Closes the frames from the innermost down to `index`, all at `end` or where what is in them ends. */
  #closeDownTo(index: number, end: number): void {
    let bodyEnd = end;
    while (this.#open.length > index) {
      const frame = this.#open.pop()!;
      bodyEnd = Math.max(bodyEnd, frame.part.bodyStart);
      if (frame.part.type === 'multipart') this.#endChildren(frame, bodyEnd);
      frame.part.bodyEnd = bodyEnd;
      if (frame.counting)
        frame.part.lines = this.#lines.close(frame.part.bodyStart, bodyEnd, frame.linesBefore);
    }
  }

  /** No further part in this multipart. One without any gets its text as its only part. */
  #endChildren(frame: Frame, end: number): void {
    if (frame.hasBoundary) {
      frame.hasBoundary = false;
      this.#boundaries.pop();
    }
    if (frame.part.children.length > 0) return;
    const start = frame.part.bodyStart;
    const lines = this.#lines.close(start, end, frame.linesBefore);
    frame.counting = false;
    const text = newPart(plainTextHeader(), start, start);
    text.path = frame.part.path === '' ? '1' : `${frame.part.path}.1`;
    text.bodyEnd = end;
    text.lines = lines;
    frame.part.children.push(text);
  }
}
