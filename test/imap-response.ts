// A small strict reader of IMAP responses, for tests: what a client may assume (RFC 9051 section 9) and no
// more. It throws where a server's output is not in the grammar, and knows when a response is not complete
// yet.

import assert from 'node:assert/strict';

/** Atom (numbers too): string. String or literal: Buffer. NIL: null. Parenthesised list: array. */
export type ResponseValue = string | Buffer | null | ResponseValue[];

export type Response =
  | {
      readonly type: 'status';
      /** '*' when untagged. */
      readonly tag: string;
      readonly status: string;
      /** Without brackets. */
      readonly code: string | undefined;
      readonly text: string;
    }
  | { readonly type: 'continuation'; readonly text: string }
  /** `values` as in `* 12 FETCH (…)`: ['12', 'FETCH', […]]. */
  | { readonly type: 'data'; readonly values: readonly ResponseValue[] };

class Incomplete extends Error {}

/**
 * The response at `offset` and where the next begins; undefined when more bytes are needed. Throws when it is
 * malformed.
 */
export function readResponse(bytes: Buffer, offset = 0): { response: Response; next: number } | undefined {
  const reader = new ResponseReader(bytes, offset);
  try {
    return { response: reader.response(), next: reader.at };
  } catch (error) {
    if (error instanceof Incomplete) return undefined;
    throw error;
  }
}

/** All responses of complete output. */
export function readResponses(output: Buffer | string): Response[] {
  const bytes = typeof output === 'string' ? Buffer.from(output, 'latin1') : output;
  const responses: Response[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const read = readResponse(bytes, offset);
    assert(read !== undefined, `incomplete response: ${bytes.toString('latin1', offset, offset + 200)}`);
    responses.push(read.response);
    offset = read.next;
  }
  return responses;
}

/** One value, as an ENVELOPE, that takes up the whole text. */
export function readValue(text: Buffer | string): ResponseValue {
  const reader = new ResponseReader(typeof text === 'string' ? Buffer.from(text, 'latin1') : text, 0);
  const value = reader.value();
  assert.equal(reader.at, reader.bytes.length, 'something behind the value');
  return value;
}

const sectionPattern = /^(BODY|BINARY(\.SIZE)?)\[$/;

class ResponseReader {
  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  response(): Response {
    if (this.#take('+')) {
      this.#expect(' ');
      return { type: 'continuation', text: this.#line() };
    }
    const tag = this.#take('*') ? '*' : this.#atom();
    assert(!tag.includes('+'), 'tag with a +');
    this.#expect(' ');
    const start = this.at;
    const word = this.#atom();
    if (['OK', 'NO', 'BAD', 'BYE', 'PREAUTH'].includes(word)) {
      this.#expect(' ');
      return this.#status(tag, word);
    }
    assert.equal(tag, '*', 'tagged data');
    this.at = start;
    const values = [this.value()];
    // The threads of THREAD follow one another without a space.
    while (this.#take(' ') || (values.length > 1 && values[0] === 'THREAD' && this.#peek() === '('))
      values.push(this.value());
    this.#expect('\r');
    this.#expect('\n');
    return { type: 'data', values };
  }

  value(): ResponseValue {
    const first = this.#peek();
    if (first === '(') return this.#list();
    if (first === '"') return this.#quoted();
    if (first === '{' || (first === '~' && this.bytes[this.at + 1] === 0x7b)) return this.#literal();
    const atom = this.#atom();
    return atom.toUpperCase() === 'NIL' ? null : atom;
  }

  #status(tag: string, status: string): Response {
    const line = this.#line();
    const match = /^\[([^\]\r\n]+)\] (.+)$/.exec(line);
    assert(match !== null || !line.startsWith('['), `bad response code: ${line}`);
    assert(match !== null || line !== '', 'text expected');
    assert(/^[\x01-\x7e]+$/.test(line), '8-bit response text');
    return { type: 'status', tag, status, code: match?.[1], text: match?.[2] ?? line };
  }

  #list(): ResponseValue[] {
    this.#expect('(');
    const values: ResponseValue[] = [];
    if (this.#take(')')) return values;
    for (;;) {
      values.push(this.value());
      if (this.#take(')')) return values;
      // Addresses and the parts of a multipart follow one another without a space.
      if (this.#peek() === '(') assert(Array.isArray(values.at(-1)), 'space expected');
      else this.#expect(' ');
    }
  }

  #quoted(): Buffer {
    this.#expect('"');
    let octets = '';
    for (;;) {
      let octet = this.#next();
      if (octet === '"') return Buffer.from(octets, 'latin1');
      if (octet === '\\') {
        octet = this.#next();
        assert(octet === '"' || octet === '\\', 'bad escape');
      } else assert(/[\x01-\x09\x0b\x0c\x0e-\x7f]/.test(octet), 'forbidden octet in a quoted string');
      octets += octet;
    }
  }

  #literal(): Buffer {
    const eight = this.#take('~');
    this.#expect('{');
    let digits = '';
    while (this.#peek() !== '}') digits += this.#next();
    assert(/^\d+$/.test(digits), 'literal size');
    this.#expect('}');
    this.#expect('\r');
    this.#expect('\n');
    const end = this.at + Number(digits);
    if (end > this.bytes.length) throw new Incomplete();
    const octets = this.bytes.subarray(this.at, end);
    this.at = end;
    assert(eight || !octets.includes(0), 'NUL in a literal');
    return octets;
  }

  /** An atom, flag, or FETCH item name with its section; brackets may hold spaces, lists and strings. */
  #atom(): string {
    const start = this.at;
    this.#take('\\');
    while (/[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|}~[*\]]/.test(this.#peek())) {
      const opens = this.#next() === '[';
      if (opens && sectionPattern.test(this.bytes.toString('latin1', start, this.at))) this.#skipSection();
    }
    assert(this.at > start, `atom expected: ${this.bytes.toString('latin1', start, start + 40)}`);
    return this.bytes.toString('latin1', start, this.at);
  }

  /** The rest of a section, whose header names may be quoted. */
  #skipSection(): void {
    while (this.#peek() !== ']') {
      if (this.#peek() === '"') this.#quoted();
      else assert(/[A-Za-z0-9. ()!-~]/.test(this.#next()), 'section');
    }
    this.at++;
  }

  #line(): string {
    const end = this.bytes.indexOf('\r\n', this.at);
    if (end < 0) throw new Incomplete();
    const line = this.bytes.toString('latin1', this.at, end);
    assert(!/[\r\n\0]/.test(line), 'bare CR, LF or NUL');
    this.at = end + 2;
    return line;
  }

  #peek(): string {
    if (this.at >= this.bytes.length) return '';
    return String.fromCharCode(this.bytes[this.at]!);
  }

  #next(): string {
    if (this.at >= this.bytes.length) throw new Incomplete();
    return String.fromCharCode(this.bytes[this.at++]!);
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.at++;
    return true;
  }

  #expect(character: string): void {
    const found = this.#next();
    assert.equal(found, character, `${JSON.stringify(character)} expected at ${this.at - 1}`);
  }
}

function isNumber(value: ResponseValue | undefined): boolean {
  return typeof value === 'string' && /^\d+$/.test(value);
}

function isString(value: ResponseValue | undefined): boolean {
  return Buffer.isBuffer(value);
}

function isNstring(value: ResponseValue | undefined): boolean {
  return value === null || isString(value);
}

/** RFC 9051 `envelope`. */
export function checkEnvelope(value: ResponseValue | undefined): void {
  assert(Array.isArray(value) && value.length === 10, 'envelope of ten');
  for (const index of [0, 1, 8, 9]) assert(isNstring(value[index]), 'envelope nstring');
  for (const addresses of value.slice(2, 8)) {
    if (addresses === null) continue;
    assert(Array.isArray(addresses) && addresses.length > 0, 'addresses');
    for (const address of addresses) {
      assert(
        Array.isArray(address) && address.length === 4 && address.every(isNstring),
        'address of four nstrings',
      );
      if (address[3] === null) assert(address[0] === null && address[1] === null, 'group syntax');
      else assert(address[2] !== null, 'an address has a mailbox');
    }
  }
}

/** RFC 9051 `body`; with extension data exactly when `extended`. */
export function checkBody(value: ResponseValue | undefined, extended: boolean): void {
  assert(Array.isArray(value), 'body');
  if (Array.isArray(value[0])) {
    let index = 0;
    while (Array.isArray(value[index])) checkBody(value[index++], extended);
    assert(isString(value[index++]), 'multipart subtype');
    if (extended) {
      checkParameters(value[index++]);
      index = checkTail(value, index);
    }
    assert.equal(index, value.length, 'multipart fields');
    return;
  }
  assert(isString(value[0]) && isString(value[1]), 'media type');
  checkParameters(value[2]);
  assert(
    isNstring(value[3]) && isNstring(value[4]) && isString(value[5]) && isNumber(value[6]),
    'body fields',
  );
  const media = `${value[0]}/${value[1]}`.toLowerCase();
  let index = 7;
  if (media === 'message/rfc822' || media === 'message/global') {
    checkEnvelope(value[index++]);
    checkBody(value[index++], extended);
    assert(isNumber(value[index++]), 'lines');
  } else if (media.startsWith('text/')) assert(isNumber(value[index++]), 'lines');
  if (extended) {
    assert(isNstring(value[index++]), 'md5');
    index = checkTail(value, index);
  }
  assert.equal(index, value.length, 'body fields');
}

function checkTail(value: readonly ResponseValue[], start: number): number {
  let index = start;
  const disposition = value[index++];
  if (disposition !== null) {
    assert(Array.isArray(disposition) && disposition.length === 2 && isString(disposition[0]), 'disposition');
    checkParameters(disposition[1]);
  }
  const language = value[index++];
  if (Array.isArray(language)) assert(language.length > 0 && language.every(isString), 'languages');
  else assert(isNstring(language), 'language');
  assert(isNstring(value[index++]), 'location');
  return index;
}

function checkParameters(value: ResponseValue | undefined): void {
  if (value === null) return;
  assert(
    Array.isArray(value) && value.length > 0 && value.length % 2 === 0 && value.every(isString),
    'parameters',
  );
}
