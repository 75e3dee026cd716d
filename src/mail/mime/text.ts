// The text of a message for people: decoded bodies, the preview of message lists (RFC 8970), the texts that SEARCH
// looks through. Nothing here fails on any bytes; every size is bounded.

import { asBuffer } from '../bytes.ts';
import { decodeCharset } from '../charset.ts';
import { decodeHeaderText } from '../encoded-word.ts';
import { unfold } from '../header.ts';
import { htmlTextPieces, htmlToText } from '../html-text.ts';
import { decodedFileName } from '../parameter.ts';
import { decodeTransfer, decodeTransferSteps, transferDecoder } from '../transfer-encoding.ts';
import { leafParts, type MessagePart, type MessageStructure, rawParameter } from './structure.ts';

/** Bytes of a part that are decoded at once when the caller names no limit. */
export const decodedBytesMax = 4 * 1024 * 1024;

/**
 * The text of a text part: transfer encoding and charset undone, HTML made plain. At most `outputBytesMax` bytes are
 * decoded; what comes after is left out.
 */
export function decodedText(bytes: Uint8Array, part: MessagePart, outputBytesMax = decodedBytesMax): string {
  const text = charsetText(bytes, part, outputBytesMax);
  return part.subtype === 'html' && part.type === 'text' ? htmlToText(text) : text;
}

function charsetText(bytes: Uint8Array, part: MessagePart, outputBytesMax: number): string {
  const body = asBuffer(bytes).subarray(part.bodyStart, part.bodyEnd);
  return textOf(decodeTransfer(body, part.encoding, outputBytesMax), part, outputBytesMax);
}

function textOf(decoded: Buffer, part: MessagePart, outputBytesMax: number): string {
  const text = decodeCharset(decoded, rawParameter(part.parameters, 'charset') ?? 'us-ascii');
  // A character that the limit cut through.
  return decoded.length === outputBytesMax && text.endsWith('\ufffd') ? text.slice(0, -1) : text;
}

/** RFC 8970 3.1: at most 200 characters; and at most 256 bytes, so that what is stored per message stays small. */
export const previewCharactersMax = 200;
export const previewBytesMax = 256;
/** Text parts looked at before a message counts as one without text. */
const previewPartsMax = 8;
/** First try and second try: style sheets can fill the beginning of HTML. */
const previewSourceBytes = [4 * 1024, 64 * 1024] as const;

/** The beginning of a message's text, white space collapsed, without quotations; '' when it has no text. */
export function preview(bytes: Uint8Array, structure: MessageStructure): string {
  const candidates: MessagePart[] = [];
  for (const part of leafParts(structure.root, false)) {
    if (part.type !== 'text' || part.disposition?.type === 'attachment') continue;
    candidates.push(part);
    if (candidates.length >= previewPartsMax) break;
  }
  const plainFirst = [
    ...candidates.filter((part) => part.subtype !== 'html'),
    ...candidates.filter((part) => part.subtype === 'html'),
  ];
  for (const part of plainFirst) {
    const text = partPreview(bytes, part);
    if (text !== '') return text;
  }
  return '';
}

function partPreview(bytes: Uint8Array, part: MessagePart): string {
  let text = '';
  for (const sourceBytes of previewSourceBytes) {
    const decoded = decodedText(bytes, part, sourceBytes);
    text = shortened(withoutQuotes(decoded, part.subtype === 'html'));
    if (text.length >= previewCharactersMax / 2 || part.bodyEnd - part.bodyStart <= sourceBytes) break;
  }
  return text;
}

const attribution =
  /^.{1,300}\b(?:wrote|schrieb|écrit|escribió|ha scritto|scrisse|schreef)\s?(?:.{0,100})?:$/i;
const forwardedMarker = /^-{2,}\s*(?:original message|forwarded message|ursprüngliche nachricht)\b/i;
const repeatedHeader = /^(?:from|sent|to|cc|subject|date|von|gesendet|an|betreff|datum):\s/i;

/** Leaves out quoted lines, who wrote them, and the header lines that programs put before a forwarded text. */
function withoutQuotes(text: string, isHtml: boolean): string {
  if (isHtml) return text;
  const kept: string[] = [];
  let length = 0;
  let afterMarker = false;
  let from = 0;
  while (from < text.length && length < 2 * previewCharactersMax) {
    const found = text.indexOf('\n', from);
    const end = found === -1 ? text.length : found;
    const line = text.slice(from, Math.min(end, from + previewLineLengthMax)).trim();
    from = end + 1;
    if (line === '' || line.startsWith('>')) continue;
    // "-- " starts a signature (RFC 3676 4.3).
    if (line === '--' && length > 0) break;
    const isMarker = forwardedMarker.test(line);
    afterMarker = isMarker || (afterMarker && repeatedHeader.test(line));
    if (afterMarker || (line.endsWith(':') && text[from] === '>' && attribution.test(line))) continue;
    kept.push(line);
    length += line.length;
  }
  // Nothing but quotations: better those than nothing.
  return kept.length > 0 ? kept.join(' ') : text.slice(0, 4 * previewCharactersMax);
}

const previewLineLengthMax = 1000;
const invisible = /\u00ad|\u034f|[\u200b-\u200f\u2060\ufeff]/g;

const plain = /^[\x20-\x7e]*$/;

/** Without what does not show, white space collapsed. */
function collapsed(text: string): string {
  // Most texts have nothing of it.
  if (plain.test(text) && !text.includes('  ')) return text.trim();
  return text
    .replace(invisible, '')
    .replace(/[\s\x00-\x1f\x7f-\x9f]+/g, ' ')
    .trim();
}

function shortened(text: string): string {
  // Nearly always enough; the rest is looked at when most of it collapses.
  let shown = collapsed(text.slice(0, 2 * previewCharactersMax));
  if (shown.length <= previewCharactersMax && text.length > 2 * previewCharactersMax)
    shown = collapsed(text.slice(0, 16 * previewCharactersMax));
  if (shown.length <= previewBytesMax / 4) return shown;
  const first = shown.slice(0, previewCharactersMax);
  if (plain.test(first)) return first.trimEnd();
  let characters = 0;
  let bytes = 0;
  let end = 0;
  for (const character of shown) {
    const code = character.codePointAt(0)!;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (++characters > previewCharactersMax || bytes > previewBytesMax) break;
    end += character.length;
  }
  return shown.slice(0, end).trimEnd();
}

/** How much is decoded before the caller gets a turn. */
const searchPieceBytes = 256 * 1024;
/** Characters repeated at the start of the next piece of one body, so that a key across the cut is found. */
export const searchOverlapCharacters = 1000;

/**
 * The texts that SEARCH BODY looks through: text parts and other readable ones (delivery reports), the names of
 * attachments, and the headers of nested messages. Large bodies come in pieces that overlap; a piece may be empty: while one
 * is decoded, others may have their turn.
 */
export function* searchTexts(bytes: Uint8Array, structure: MessageStructure): Generator<string, void, void> {
  const pending: MessagePart[] = [structure.root];
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    for (let index = part.children.length - 1; index >= 0; index--) pending.push(part.children[index]!);
    if (part.children.length > 0) continue;
    const fileName = decodedFileName(part);
    if (fileName !== undefined && fileName !== '') yield fileName;
    if (part.message !== undefined) {
      yield* headerTexts(bytes, part.message.root);
      pending.push(part.message.root);
    } else if (part.type === 'text' || part.type === 'message') yield* bodyPieces(bytes, part);
  }
}

/** A header decoded for searching, a line a field; a large one in pieces, as bodies. At most `decodedBytesMax` of it. */
export function* headerTexts(bytes: Uint8Array, root: MessagePart): Generator<string, void, void> {
  const end = Math.min(root.headerEnd, root.headerStart + decodedBytesMax);
  const raw = asBuffer(bytes).toString('latin1', root.headerStart, end);
  yield* overlapping(fieldsInPieces(raw.trimEnd()));
}

function* fieldsInPieces(raw: string): Generator<string, void, void> {
  const fieldEnd = /\n(?![ \t])/g;
  for (let start = 0; start < raw.length; ) {
    fieldEnd.lastIndex = start + searchPieceBytes;
    const end = fieldEnd.test(raw) ? fieldEnd.lastIndex : raw.length;
    yield raw
      .slice(start, end)
      .split(/\r?\n(?![ \t])/)
      .map((line) => decodeHeaderText(unfold(line)))
      .join('\n');
    start = end;
  }
}

function* bodyPieces(bytes: Uint8Array, part: MessagePart): Generator<string, void, void> {
  const charset = rawParameter(part.parameters, 'charset') ?? 'us-ascii';
  if (part.bodyEnd - part.bodyStart <= searchPieceBytes) yield decodedText(bytes, part);
  else if (part.subtype === 'html' && part.type === 'text')
    yield* overlapping(htmlTextPieces(yield* decodedInSteps(bytes, part), searchPieceBytes));
  else if (/utf-?(?:16|32)|ucs/i.test(charset))
    yield* overlapping(charactersInPieces(yield* decodedInSteps(bytes, part)));
  else
    yield* overlapping(linesInPieces(asBuffer(bytes).subarray(part.bodyStart, part.bodyEnd), part, charset));
}

/** The text of a body as charsetText gives it, after empty pieces. */
function* decodedInSteps(bytes: Uint8Array, part: MessagePart): Generator<string, string, void> {
  const body = asBuffer(bytes).subarray(part.bodyStart, part.bodyEnd);
  const decoding = decodeTransferSteps(body, part.encoding, decodedBytesMax);
  let step = decoding.next();
  for (; !step.done; step = decoding.next()) yield '';
  const text = textOf(step.value, part, decodedBytesMax);
  yield '';
  return text;
}

/** Each begins with the end of the text before; empty ones stay empty. */
function* overlapping(pieces: Iterable<string>): Generator<string, void, void> {
  let before = '';
  for (const piece of pieces) {
    const text = piece === '' ? '' : before + piece;
    yield text;
    // Of all that was read: a short piece, with little to show for much that was left out, adds to it only.
    if (text !== '') before = text.slice(-searchOverlapCharacters);
  }
}

function* charactersInPieces(text: string): Generator<string, void, void> {
  for (let start = 0; start < text.length; start += searchPieceBytes)
    yield text.slice(start, start + searchPieceBytes);
}

function* linesInPieces(body: Buffer, part: MessagePart, charset: string): Generator<string, void, void> {
  const decoder = transferDecoder(part.encoding);
  let rest: Buffer = Buffer.alloc(0);
  for (let start = 0; start < body.length; start += searchPieceBytes) {
    const isLast = start + searchPieceBytes >= body.length;
    const decoded = [rest, decoder.push(body.subarray(start, start + searchPieceBytes))];
    if (isLast) decoded.push(decoder.end());
    const piece = Buffer.concat(decoded);
    const cut = isLast ? piece.length : cutOf(piece);
    rest = piece.subarray(cut);
    yield decodeCharset(piece.subarray(0, cut), charset);
  }
}

/** At a line's end: no character and no shift state of a charset goes across it. Where there is none, not within a character. */
function cutOf(piece: Buffer): number {
  const lineEnd = piece.lastIndexOf(10) + 1;
  if (lineEnd > 0) return lineEnd;
  // No charset's characters of several bytes hold a space.
  const wordEnd = piece.lastIndexOf(32) + 1;
  if (wordEnd > 0) return wordEnd;
  // UTF-8: before the last byte that begins a character.
  for (let at = piece.length - 1; at > piece.length - 5 && at > 0; at--)
    if ((piece[at]! & 0xc0) !== 0x80) return at;
  return piece.length;
}
