// Address lists of header fields (RFC 5322 3.4, 4.4), as IMAP ENVELOPE and message lists show them. Tolerant: what
// a broken sender wrote still gives addresses or at least its text. Never fails, and takes linear time.

import { decodeHeaderText } from './encoded-word.ts';

/** All strings are latin1, one character a byte; names are unquoted but their encoded words are kept. */
export interface ListedAddress {
  readonly name: string | undefined;
  /** The obsolete source route, "@a,@b"; IMAP's addr-adl. */
  readonly route: string | undefined;
  /** The local part, unquoted. */
  readonly mailbox: string;
  /** '' when the text had no domain. */
  readonly host: string;
}

/** A group with its name, or the addresses between groups (`name` undefined). */
export interface AddressGroup {
  readonly name: string | undefined;
  readonly addresses: readonly ListedAddress[];
}

/** Addresses taken from one field; the rest is left out. Bounds memory and the ENVELOPE answer. */
export const listedAddressesMax = 10_000;

/** Takes an unfolded header value (latin1) apart, up to so many addresses. */
export function parseAddressList(value: string, addressesMax = listedAddressesMax): AddressGroup[] {
  return new AddressListParser(value, addressesMax).parse();
}

/** A token: an atom, dot or at sign keep their text; quoted strings are unquoted. */
interface Word {
  readonly text: string;
  readonly quoted: boolean;
  /** White space stood before it. */
  readonly spaced: boolean;
}

const specials = new Set([...'<>,;:']);

class AddressListParser {
  readonly #text: string;
  readonly #addressesMax: number;
  #position = 0;
  #spaced = false;
  #count = 0;
  readonly #groups: AddressGroup[] = [];
  #groupName: string | undefined;
  #addresses: ListedAddress[] = [];
  #words: Word[] = [];
  /** Text of the last comment: the name in `user@domain (Name)`. */
  #comment = '';
  #angle: Word[] | undefined;

  constructor(text: string, addressesMax: number) {
    this.#text = text;
    this.#addressesMax = addressesMax;
  }

  parse(): AddressGroup[] {
    while (this.#position < this.#text.length && this.#count < this.#addressesMax) this.#step();
    this.#endAddress();
    this.#endGroup();
    return this.#groups;
  }

  #step(): void {
    const character = this.#text[this.#position]!;
    if (character <= ' ') {
      this.#position++;
      this.#spaced = true;
    } else if (character === '(') this.#readComment();
    else if (character === '"') this.#word(this.#readQuoted(), true);
    else if (character === '[') this.#word(this.#readLiteral(), false);
    else if (specials.has(character)) {
      this.#position++;
      this.#special(character);
      this.#spaced = false;
    } else this.#word(this.#readAtom(), false);
  }

  #word(text: string, quoted: boolean): void {
    (this.#angle ?? this.#words).push({ text, quoted, spaced: this.#spaced });
    this.#spaced = false;
  }

  #special(character: string): void {
    if (this.#angle !== undefined) {
      // Within <…> only ">" ends; "," and ":" belong to a source route. ";" ends a group whose ">" is missing.
      if (character === '>') this.#endAddress();
      else this.#angle.push({ text: character, quoted: false, spaced: false });
      return;
    }
    if (character === '<') this.#angle = [];
    else if (character === ',') this.#endAddress();
    else if (character === ';') {
      this.#endAddress();
      this.#endGroup();
    } else if (character === ':') {
      if (this.#groupName !== undefined) return;
      const name = phrase(this.#words);
      this.#words = [];
      this.#endGroup();
      this.#groupName = name;
    }
  }

  #readAtom(): string {
    const start = this.#position;
    // An encoded word is one atom, whatever it has inside: "=?utf-8?Q?a,b?=" is sent and understood.
    if (this.#text.startsWith('=?', start)) {
      encodedWord.lastIndex = start;
      const match = encodedWord.exec(this.#text);
      if (match !== null) {
        this.#position += match[0].length;
        return match[0];
      }
    }
    let index = start + 1;
    while (index < this.#text.length && !atomEnd(this.#text.charCodeAt(index))) index++;
    this.#position = index;
    return this.#text.slice(start, index);
  }

  #readQuoted(): string {
    const text = this.#text;
    let value = '';
    let from = this.#position + 1;
    let index = from;
    for (; index < text.length && text[index] !== '"'; index++) {
      if (text[index] !== '\\' || index + 1 >= text.length) continue;
      value += text.slice(from, index);
      from = ++index;
    }
    this.#position = index + 1;
    return value + text.slice(from, index);
  }

  #readLiteral(): string {
    const start = this.#position;
    const end = this.#text.indexOf(']', start);
    this.#position = end === -1 ? this.#text.length : end + 1;
    return this.#text.slice(start, this.#position);
  }

  #readComment(): void {
    const text = this.#text;
    let depth = 0;
    let index = this.#position;
    const start = index + 1;
    for (; index < text.length; index++) {
      const character = text[index];
      if (character === '\\') index++;
      else if (character === '(') depth++;
      else if (character === ')' && --depth === 0) break;
    }
    this.#comment = text.slice(start, index).replace(/\\(.)/g, '$1').trim();
    this.#position = index + 1;
    this.#spaced = true;
  }

  #endAddress(): void {
    const words = this.#words;
    const angle = this.#angle;
    const comment = this.#comment;
    this.#words = [];
    this.#angle = undefined;
    this.#comment = '';
    if (angle === undefined && words.length === 0) return;
    const name = angle === undefined ? comment : phrase(words) || comment;
    const { route, mailbox, host } = addressSpec(angle ?? words, angle !== undefined);
    if (mailbox === '' && host === '' && name === '') return;
    this.#addresses.push({ name: name === '' ? undefined : name, route, mailbox, host });
    this.#count++;
  }

  #endGroup(): void {
    if (this.#groupName !== undefined || this.#addresses.length > 0)
      this.#groups.push({ name: this.#groupName, addresses: this.#addresses });
    this.#groupName = undefined;
    this.#addresses = [];
  }
}

/** Bounded, so that words that never end cost a bounded look each. */
const encodedWord = /=\?[^?\s]{1,100}\?[bBqQ]\?[^?\s]{0,500}\?=/y;

function atomEnd(code: number): boolean {
  // White space ( " , : ; < > @ [ — a dot and a backslash stay in the atom.
  if (code <= 32) return true;
  return (
    code === 40 || code === 34 || code === 44 || (code >= 58 && code <= 60) || code === 62 || code === 91
  );
}

/** The words of a display name; white space is kept where it was. */
function phrase(words: readonly Word[]): string {
  let text = '';
  for (const word of words) text += text !== '' && word.spaced ? ` ${word.text}` : word.text;
  return text.trim();
}

type AddressSpec = Pick<ListedAddress, 'route' | 'mailbox' | 'host'>;

function addressSpec(words: readonly Word[], inAngle: boolean): AddressSpec {
  let route: string | undefined;
  let rest = words;
  if (inAngle && words[0]?.quoted === false && words[0].text.startsWith('@')) {
    const end = words.findIndex((word) => !word.quoted && word.text === ':');
    if (end !== -1) {
      route = words
        .slice(0, end)
        .map((word) => word.text)
        .join('');
      rest = words.slice(end + 1);
    }
  }
  // The last "@" outside quotes divides.
  for (let index = rest.length - 1; index >= 0; index--) {
    const word = rest[index]!;
    const at = word.quoted ? -1 : word.text.lastIndexOf('@');
    if (at === -1) continue;
    const before = joined(rest.slice(0, index), !inAngle) + word.text.slice(0, at);
    const after = word.text.slice(at + 1) + joined(rest.slice(index + 1), false);
    return { route, mailbox: before, host: after };
  }
  return { route, mailbox: joined(rest, true), host: '' };
}

/** Obsolete white space around dots is dropped; between words of no address it is kept where `spaces`. */
function joined(words: readonly Word[], spaces: boolean): string {
  let text = '';
  for (const word of words)
    text +=
      spaces && text !== '' && word.spaced && !text.endsWith('.') && word.text !== '.'
        ? ` ${word.text}`
        : word.text;
  return text;
}

/** The name for people, decoded; undefined when there is none. */
export function decodedName(name: string | undefined): string | undefined {
  return name === undefined ? undefined : decodeHeaderText(name);
}

/** `mailbox@host` for people and for searching, raw 8-bit decoded. */
export function listedAddressText(address: ListedAddress): string {
  return decodeHeaderText(address.host === '' ? address.mailbox : `${address.mailbox}@${address.host}`);
}
