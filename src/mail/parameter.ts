// Values with parameters, as Content-Type and Content-Disposition have them (RFC 2045 5.1, RFC 2183), and the
// RFC 2231 forms of parameter values: continuations, charsets, percent encoding.
//
// Tolerant by intent: doubled semicolons, missing quotes, white space in unquoted values, raw 8-bit, RFC 2047 words
// where RFC 2231 is asked for, continuations without order. Never fails; what makes no sense is left out.

import { decodeCharset } from './charset.ts';
import { decodeHeaderText } from './encoded-word.ts';
import type { HeaderParameter } from './mime/structure.ts';

/** Nobody has more; the rest is left out. Bounds what one header field can make of itself. */
export const parametersMax = 200;

export interface ParameterizedValue {
  /** What stands before the first semicolon, without comments, trimmed, in the letter case it came in. */
  readonly value: string;
  readonly parameters: readonly HeaderParameter[];
}

const semicolon = 59;
const equals = 61;
const quote = 34;
const backslash = 92;

/** Takes an unfolded header value (latin1) apart. Names come in lower case, values unquoted and else untouched. */
export function parseParameterized(text: string): ParameterizedValue {
  const first = text.indexOf(';');
  if (first === -1) return { value: withoutComments(text).trim(), parameters: [] };
  const parameters: HeaderParameter[] = [];
  let position = first + 1;
  while (position < text.length && parameters.length < parametersMax) {
    position = skipSeparators(text, position);
    const nameStart = position;
    while (position < text.length) {
      const code = text.charCodeAt(position);
      if (code === equals || code === semicolon) break;
      position++;
    }
    if (text.charCodeAt(position) !== equals) continue;
    const name = withoutComments(text.slice(nameStart, position)).trim().toLowerCase();
    const valueStart = skipWhiteSpace(text, position + 1);
    const value =
      text.charCodeAt(valueStart) === quote ? quoted(text, valueStart) : unquoted(text, valueStart);
    if (name !== '') parameters.push([name, value.text]);
    position = value.next;
  }
  return { value: withoutComments(text.slice(0, first)).trim(), parameters };
}

interface Piece {
  readonly text: string;
  readonly next: number;
}

function skipWhiteSpace(text: string, from: number): number {
  let position = from;
  while (position < text.length && text.charCodeAt(position) <= 32) position++;
  return position;
}

function skipSeparators(text: string, from: number): number {
  let position = from;
  while (position < text.length) {
    const code = text.charCodeAt(position);
    if (code > 32 && code !== semicolon) break;
    position++;
  }
  return position;
}

/** A backslash escapes only a quote or a backslash: `"C:\dir\file"` is meant as it stands more often than not. */
function quoted(text: string, start: number): Piece {
  let value = '';
  let from = start + 1;
  let position = from;
  for (; position < text.length; position++) {
    const code = text.charCodeAt(position);
    if (code === quote) break;
    if (code !== backslash) continue;
    const escaped = text.charCodeAt(position + 1);
    if (escaped !== quote && escaped !== backslash) continue;
    value += text.slice(from, position);
    from = ++position;
  }
  const closed = position < text.length;
  value += closed ? text.slice(from, position) : text.slice(from).trimEnd();
  const next = text.indexOf(';', position);
  return { text: value, next: next === -1 ? text.length : next };
}

function unquoted(text: string, start: number): Piece {
  const semicolonAt = text.indexOf(';', start);
  const next = semicolonAt === -1 ? text.length : semicolonAt;
  let value = text.slice(start, next).trim();
  if (value.endsWith(')')) {
    // A comment after the value: it starts with white space and a parenthesis. `name=a (1).pdf` has none.
    const comment = value.lastIndexOf('(');
    if (comment > 0 && value.charCodeAt(comment - 1) <= 32) value = value.slice(0, comment).trimEnd();
  }
  // A closing quote whose opening one is missing.
  if (value.endsWith('"')) value = value.slice(0, -1);
  return { text: value, next };
}

/** RFC 5322 comments out of a structured value; unclosed ones go to its end. */
export function withoutComments(text: string): string {
  if (!text.includes('(')) return text;
  let result = '';
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (character === '\\') {
      if (depth === 0) result += text.slice(index, index + 2);
      index++;
    } else if (character === '(') depth++;
    else if (character === ')' && depth > 0) depth--;
    else if (depth === 0) result += character;
  }
  return result;
}

interface Section {
  readonly order: number;
  readonly encoded: boolean;
  readonly text: string;
}

const sectionSuffix = /^([^*]+)\*(?:(\d{1,4})(\*?))?$/;

/** The parameters for people: one entry a name, RFC 2231 put together, RFC 2047 and raw 8-bit decoded. */
export function decodedParameters(parameters: readonly HeaderParameter[]): HeaderParameter[] {
  const plain = new Map<string, string>();
  const sectioned = new Map<string, Section[]>();
  for (const [name, text] of parameters) {
    const match = name.includes('*') ? sectionSuffix.exec(name) : null;
    if (match === null) {
      if (!plain.has(name)) plain.set(name, text);
      continue;
    }
    const order = match[2] === undefined ? 0 : Number(match[2]);
    const section = { order, encoded: match[2] === undefined || match[3] === '*', text };
    const before = sectioned.get(match[1]!);
    if (before === undefined) sectioned.set(match[1]!, [section]);
    else before.push(section);
  }
  const decoded: HeaderParameter[] = [];
  for (const name of new Set([...plain.keys(), ...sectioned.keys()])) {
    const sections = sectioned.get(name);
    const value = sections === undefined ? decodeHeaderText(plain.get(name)!) : joinSections(sections);
    decoded.push([name, value]);
  }
  return decoded;
}

/** The decoded value of one parameter; `name` in lower case. */
export function decodedParameter(parameters: readonly HeaderParameter[], name: string): string | undefined {
  const prefix = `${name}*`;
  const own = parameters.filter(([key]) => key === name || key.startsWith(prefix));
  if (own.length === 0) return undefined;
  return decodedParameters(own).find(([key]) => key === name)?.[1];
}

/** The file name of a part, from Content-Disposition or else Content-Type (RFC 2183 2.3, RFC 2046 4.5.1 `name`). */
export function decodedFileName(part: {
  readonly parameters: readonly HeaderParameter[];
  readonly disposition: { readonly parameters: readonly HeaderParameter[] } | undefined;
}): string | undefined {
  const fromDisposition = part.disposition && decodedParameter(part.disposition.parameters, 'filename');
  return fromDisposition || decodedParameter(part.parameters, 'name');
}

function joinSections(sections: readonly Section[]): string {
  const sorted = sections.toSorted((a, b) => a.order - b.order);
  let charset: string | undefined;
  let bytes = '';
  let order = -1;
  for (const section of sorted) {
    if (section.order === order) continue;
    let text = section.text;
    if (order === -1 && section.encoded) {
      const match = /^([^']*)'[^']*'/.exec(text);
      if (match !== null) {
        charset = match[1];
        text = text.slice(match[0].length);
      }
    }
    bytes += section.encoded ? percentDecoded(text) : text;
    order = section.order;
  }
  if (charset === undefined || charset === '') return decodeHeaderText(bytes);
  return decodeCharset(Buffer.from(bytes, 'latin1'), charset);
}

/** `%41` to its byte; a per cent sign without two digits stands for itself. */
function percentDecoded(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%([0-9a-fA-F]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}
