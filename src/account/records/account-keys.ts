// The keys of one account in the engine, all under ('a', account id). The letters are on disk and never reused:
//   –  account record            b  mailbox record      m  message row (mailbox, uid)
//   p  message page (mailbox, page): many such rows in one (message-page.ts)
//   e  email record (email)      y  summary (email)     c  content of a small message (email)
//   x  tombstone (mailbox, mod-sequence, uid)           s  subscription (name)
//   t  thread row (hash)         o  applied operation (slot of a ring)
//   n  annotations (mailbox; 0: the account's own)       l  who else may do what (mailbox)
//   i  search index (segment, section); the directory is alone at segment 0
//   w  octets that POP3 sends of a message, where they are not those stored (email)
// Invariant: every key equals encodeTuple of its tuple (a test compares); prefixes are kept encoded, because a
// delivery writes eight keys. Nothing here fails but assertions.

import { assert } from '../../base/assert.ts';
import { asBuffer } from '../../mail/bytes.ts';
import type { AccountId } from '../../mail/ids.ts';
import type { Bytes, Range } from '../../storage/engine.ts';
import { encodeTuple, successorOfPrefix } from '../../storage/tuple.ts';

const numberTag = 0x10;

/** Message rows of this many mailboxes keep their prefix; more are encoded anew, which only costs time. */
const prefixesMax = 256;

function numberLength(value: number): number {
  if (value < 0x1_00) return value === 0 ? 0 : 1;
  if (value < 0x1_0000) return 2;
  if (value < 0x1_000000) return 3;
  if (value < 0x1_00000000) return 4;
  if (value < 0x1_0000000000) return 5;
  return value < 0x1_000000000000 ? 6 : 7;
}

function withNumber(prefix: Buffer, value: number): Buffer {
  const length = numberLength(value);
  const key = Buffer.allocUnsafe(prefix.length + 1 + length);
  key.set(prefix);
  let position = prefix.length;
  key[position++] = numberTag + length;
  if (length === 7) key[position++] = Math.floor(value / 2 ** 48);
  if (length > 0) key.writeUIntBE(length === 7 ? value % 2 ** 48 : value, position, Math.min(length, 6));
  return key;
}

/** The number that stands in `key` behind a prefix of `prefixLength` bytes; it must be the last element. */
export function numberBehind(key: Uint8Array, prefixLength: number): number {
  const length = key[prefixLength]! - numberTag;
  assert(length >= 0 && length <= 7 && key.length === prefixLength + 1 + length, 'not a key with one number');
  let value = 0;
  for (let index = prefixLength + 1; index < key.length; index++) value = value * 256 + key[index]!;
  return value;
}

/** All keys behind a prefix, and how long the prefix is. */
export interface KeyRange extends Range {
  readonly start: Bytes;
  readonly end: Bytes;
  readonly prefixLength: number;
}

export class AccountKeys {
  readonly account: Buffer;
  readonly #prefixes: Record<
    'b' | 'm' | 'e' | 'y' | 'c' | 'x' | 's' | 't' | 'o' | 'i' | 'n' | 'l' | 'w' | 'p',
    Buffer
  >;
  readonly #messagePrefixes = new Map<number, Buffer>();

  constructor(accountId: AccountId) {
    this.account = encodeTuple(['a', accountId]);
    const prefix = (letter: string) => encodeTuple(['a', accountId, letter]);
    this.#prefixes = {
      b: prefix('b'),
      m: prefix('m'),
      e: prefix('e'),
      y: prefix('y'),
      c: prefix('c'),
      x: prefix('x'),
      s: prefix('s'),
      t: prefix('t'),
      o: prefix('o'),
      i: prefix('i'),
      n: prefix('n'),
      l: prefix('l'),
      w: prefix('w'),
      p: prefix('p'),
    };
  }

  mailbox(mailboxId: number): Buffer {
    return withNumber(this.#prefixes.b, mailboxId);
  }

  message(mailboxId: number, uid: number): Buffer {
    return withNumber(this.#messagePrefix(mailboxId), uid);
  }

  messagePage(mailboxId: number, page: number): Buffer {
    return withNumber(withNumber(this.#prefixes.p, mailboxId), page);
  }

  email(emailId: number): Buffer {
    return withNumber(this.#prefixes.e, emailId);
  }

  summary(emailId: number): Buffer {
    return withNumber(this.#prefixes.y, emailId);
  }

  content(emailId: number): Buffer {
    return withNumber(this.#prefixes.c, emailId);
  }

  sentSize(emailId: number): Buffer {
    return withNumber(this.#prefixes.w, emailId);
  }

  tombstone(mailboxId: number, modSeq: number, uid: number): Buffer {
    return withNumber(withNumber(withNumber(this.#prefixes.x, mailboxId), modSeq), uid);
  }

  subscription(name: string): Buffer {
    return Buffer.concat([this.#prefixes.s, encodeTuple([name])]);
  }

  thread(hash: number): Buffer {
    return withNumber(this.#prefixes.t, hash);
  }

  operation(slot: number): Buffer {
    return withNumber(this.#prefixes.o, slot);
  }

  searchDirectory(): Buffer {
    return this.searchSegment(0, 0);
  }

  searchSegment(segment: number, section: number): Buffer {
    return withNumber(withNumber(this.#prefixes.i, segment), section);
  }

  /** Undefined: the account's own. */
  annotations(mailboxId: number | undefined): Buffer {
    return withNumber(this.#prefixes.n, mailboxId ?? 0);
  }

  acl(mailboxId: number): Buffer {
    return withNumber(this.#prefixes.l, mailboxId);
  }

  /** Every row of one kind. */
  rows(letter: 'b' | 'e' | 'y' | 'c' | 's' | 't' | 'o' | 'm' | 'x' | 'i' | 'n' | 'l' | 'w' | 'p'): KeyRange {
    return prefixRange(this.#prefixes[letter]);
  }

  /** Email records from this email on. */
  emailsFrom(emailId: number): KeyRange {
    return { ...this.rows('e'), start: this.email(emailId) };
  }

  /** The message rows of a mailbox. */
  messages(mailboxId: number): KeyRange {
    return prefixRange(this.#messagePrefix(mailboxId));
  }

  /** The message pages of a mailbox, from this one on. */
  messagePages(mailboxId: number, fromPage = 0): KeyRange {
    return rangeFrom(withNumber(this.#prefixes.p, mailboxId), fromPage);
  }

  /** Tombstones of a mailbox with a mod-sequence of at least `fromModSeq`. */
  tombstones(mailboxId: number, fromModSeq = 0): KeyRange {
    return rangeFrom(withNumber(this.#prefixes.x, mailboxId), fromModSeq);
  }

  /** Everything of the account, its record included. */
  everything(): KeyRange {
    return prefixRange(this.account);
  }

  #messagePrefix(mailboxId: number): Buffer {
    const known = this.#messagePrefixes.get(mailboxId);
    if (known !== undefined) return known;
    const prefix = withNumber(this.#prefixes.m, mailboxId);
    if (this.#messagePrefixes.size < prefixesMax) this.#messagePrefixes.set(mailboxId, prefix);
    return prefix;
  }
}

/** As mail/ids.ts says. */
const accountIdCharacters = 16;
const accountPrefix = encodeTuple(['a']);
const contentLetter = encodeTuple(['c']);
const letterAt = encodeTuple(['a', 'a'.repeat(accountIdCharacters)]).length;

/** Whether it is the key of a message's bytes, which stay as they are until the message goes; the key is not used again. */
export function isContentKey(key: Uint8Array): boolean {
  return startsWith(key, accountPrefix, 0) && startsWith(key, contentLetter, letterAt);
}

/** The account whose row it is; undefined: no account's. */
export function accountOfKey(key: Uint8Array): AccountId | undefined {
  if (key.length < letterAt || key[letterAt - 1] !== 0 || !startsWith(key, accountPrefix, 0))
    return undefined;
  return asBuffer(key).toString('latin1', accountPrefix.length + 1, letterAt - 1) as AccountId;
}

function startsWith(key: Uint8Array, part: Uint8Array, at: number): boolean {
  for (let index = 0; index < part.length; index++) if (key[at + index] !== part[index]) return false;
  return true;
}

function prefixRange(prefix: Buffer): KeyRange {
  return { start: prefix, end: successorOfPrefix(prefix), prefixLength: prefix.length };
}

/** Behind the prefix, from this number on. */
function rangeFrom(prefix: Buffer, number: number): KeyRange {
  return { ...prefixRange(prefix), start: withNumber(prefix, number) };
}
