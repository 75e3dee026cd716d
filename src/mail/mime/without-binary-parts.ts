// A message told to IMAP clients may not have its binary parts as they are (RFC 3516 section 6; RFC 9051 4.3.1): finds them, and
// makes the message that has them in base64, as Dovecot stores what comes in a literal8.
//
// What is encoded: leaf parts labelled binary whose octets are no 8bit data (RFC 2045 2.8): NULs, CR or LF alone, lines of more
// than 998 octets. A body that 8bit data can tell stays, whatever its label (RFC 3516: "only when it is absolutely necessary"; Dovecot
// encodes it too). Multiparts and messages may not be in base64 (RFC 2045 6.4): those labelled binary that hold what was encoded
// are labelled by what they hold now, where that is 7bit or 8bit. What is inside multipart/signed stays, or the signature would be
// worth nothing (RFC 1847 2.1); Dovecot encodes that too.
//
// Invariants: every other octet stays; what a part decodes to stays, and the tree of parts; what is made has nothing to encode any
// more. Never fails; time and memory are linear in the size, in steps of about a millisecond.

import { findField, headerBytesMax, headerFields, offsetsPerField } from '../header.ts';
import { mimeLimits } from './parse-message.ts';
import type { MessagePart, MessageStructure } from './structure.ts';
import { type TransferDomain, transferDomain, widerDomain } from './transfer-domain.ts';

/** 76 characters (RFC 2045 6.8). */
const lineOctets = 57;
const lineEnd = '\r\n';
const stepLines = 4096;
const copyStepBytes = 4 * 1024 * 1024;

/** What stands instead of the bytes `start` … `end` - 1. */
interface Edit {
  readonly start: number;
  readonly end: number;
  /** Undefined: what is there now, in base64. */
  readonly text: string | undefined;
  readonly size: number;
}

export interface BinaryParts {
  /** In the order of the message. */
  readonly edits: readonly Edit[];
  /** Of the message without them. */
  readonly size: number;
}

/** What is to be encoded in a message of that structure; undefined when there is nothing. In steps. */
export function* findBinaryParts(
  bytes: Buffer,
  structure: MessageStructure,
): Generator<undefined, BinaryParts | undefined> {
  return yield* new BinaryPartsFinder(bytes).find(structure.root);
}

class BinaryPartsFinder {
  readonly #bytes: Buffer;
  readonly #edits: Edit[] = [];
  readonly #encoded = new Set<MessagePart>();
  /** Multiparts and messages labelled binary with parts that are encoded. */
  readonly #holders = new Set<MessagePart>();
  #parts = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  *find(root: MessagePart): Generator<undefined, BinaryParts | undefined> {
    yield* this.#encodeIn(root, false);
    // The last part of a message that has more of them holds what was not looked into.
    if (this.#encoded.size === 0 || this.#parts >= mimeLimits.partsMax) return undefined;
    if (this.#holders.size > 0) yield* this.#labelIn(root);
    const edits = this.#edits.sort((one, other) => one.start - other.start);
    const size = edits.reduce((sum, edit) => sum + edit.size - (edit.end - edit.start), this.#bytes.length);
    return { edits, size };
  }

  /** True when something in the part is encoded. */
  *#encodeIn(part: MessagePart, isSigned: boolean): Generator<undefined, boolean> {
    this.#parts++;
    yield undefined;
    const inner = innerParts(part);
    if (inner.length === 0) return !isSigned && (yield* this.#encode(part));
    const areSigned = isSigned || (part.type === 'multipart' && part.subtype === 'signed');
    let holds = false;
    for (const child of inner) holds = (yield* this.#encodeIn(child, areSigned)) || holds;
    if (holds && part.encoding === 'binary') this.#holders.add(part);
    return holds;
  }

  *#encode(part: MessagePart): Generator<undefined, boolean> {
    if (part.encoding !== 'binary' || part.type === 'message') return false;
    const { bodyStart: start, bodyEnd: end } = part;
    if ((yield* transferDomain(this.#bytes, start, end)) !== 'binary' || !this.#label(part, 'base64'))
      return false;
    const characters = Math.ceil((end - start) / 3) * 4;
    const breaks = Math.ceil((end - start) / lineOctets) - (end === this.#bytes.length ? 0 : 1);
    this.#edits.push({ start, end, text: undefined, size: characters + breaks * lineEnd.length });
    this.#encoded.add(part);
    return true;
  }

  /** Labels the holders in the part. Gives what all of its body is when it has been encoded. */
  *#labelIn(part: MessagePart): Generator<undefined, TransferDomain> {
    if (this.#encoded.has(part)) return '7bit';
    let domain: TransferDomain = '7bit';
    let at = part.bodyStart;
    for (const child of innerParts(part)) {
      domain = widerDomain(domain, yield* transferDomain(this.#bytes, at, child.bodyStart));
      domain = widerDomain(domain, yield* this.#labelIn(child));
      at = child.bodyEnd;
    }
    domain = widerDomain(domain, yield* transferDomain(this.#bytes, at, part.bodyEnd));
    if (domain !== 'binary' && this.#holders.has(part)) this.#label(part, domain);
    return domain;
  }

  /**
   * Changes the part's Content-Transfer-Encoding: each of them where it has several, as readers do not agree on which one counts.
   * False when its header is none of the usual kind: it could be read otherwise then.
   */
  #label(part: MessagePart, encoding: string): boolean {
    const bytes = this.#bytes;
    const { headerStart, headerEnd } = part;
    const header = headerFields(bytes, headerStart, headerEnd);
    const name = 'Content-Transfer-Encoding';
    const edits: Edit[] = [];
    let growth = 0;
    for (
      let field = findField(bytes, header, name);
      field >= 0;
      field = findField(bytes, header, name, field + 1)
    ) {
      const end = header.offsets[field * offsetsPerField + 3]!;
      const valueStart = header.offsets[field * offsetsPerField + 2]!;
      const value = bytes.toString('latin1', valueStart, end).replace(/\r?\n$/, '');
      const start = valueStart + value.length - value.trimStart().length;
      const edit = { start, end: valueStart + value.length, text: encoding, size: encoding.length };
      growth += edit.size - (edit.end - edit.start);
      edits.push(edit);
    }
    const isUsual = header.fieldsEnd < header.end && headerEnd - headerStart + growth <= headerBytesMax;
    if (isUsual) this.#edits.push(...edits);
    return isUsual;
  }
}

function innerParts(part: MessagePart): readonly MessagePart[] {
  return part.message === undefined ? part.children : [part.message.root];
}

/** The message with what was found encoded. In steps. */
export function* withoutBinaryParts(
  bytes: Buffer,
  { edits, size }: BinaryParts,
): Generator<undefined, Buffer> {
  const result = Buffer.allocUnsafe(size);
  let from = 0;
  let at = 0;
  for (const { start, end, text } of edits) {
    at = yield* copied(bytes.subarray(from, start), result, at);
    if (text === undefined)
      at = yield* inBase64(bytes.subarray(start, end), result, at, end === bytes.length);
    else at += result.write(text, at, 'latin1');
    from = end;
  }
  yield* copied(bytes.subarray(from), result, at);
  return result;
}

/** Gives where the next octet goes. */
function* copied(from: Buffer, to: Buffer, at: number): Generator<undefined, number> {
  for (let start = 0; start < from.length; start += copyStepBytes) {
    from.copy(to, at + start, start, start + copyStepBytes);
    yield undefined;
  }
  return at + from.length;
}

/** Line ends are between the lines, as the one behind them is the boundary's; behind the last one where nothing else is. */
function* inBase64(from: Buffer, to: Buffer, at: number, isLast: boolean): Generator<undefined, number> {
  const stepOctets = stepLines * lineOctets;
  let next = at;
  for (let start = 0; start < from.length; start += stepOctets) {
    const end = Math.min(start + stepOctets, from.length);
    const lines = from.toString('base64', start, end).replace(/.{76}(?=.)/g, `$&${lineEnd}`);
    next += to.write(end < from.length || isLast ? lines + lineEnd : lines, next, 'latin1');
    yield undefined;
  }
  return next;
}
