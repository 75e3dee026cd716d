// A session's view of its selected mailbox: which message has which number for this client. It owns the list of UIDs
// in sequence order and what the client has been told; `advance` folds `changesSince` into it and says what to tell.
// Invariants: UIDs rise; a message leaves the view only together with the EXPUNGE that tells so (until then it is
// held, RFC 9051 7.5.1); what the session changed itself and was answered is not told again.
// Pure: no I/O, nothing here fails but assertions.

import type { AccountPort, MailboxChanges, OpenedMailbox } from '../../account/port.ts';
import { assert } from '../../base/assert.ts';
import type { MailboxId, ModSeq, Uid } from '../../mail/ids.ts';
import type { Rights } from '../../mail/rights.ts';
import type { MailboxLocation } from './mailbox-location.ts';

/** What an advance of the view has to tell the client, in the order it must be told. */
export interface ViewUpdate {
  /** Each number counts in the view as it is after the ones before it (RFC 9051 7.5.1). */
  readonly expunged: readonly number[];
  /** The same messages as UIDs, ascending. */
  readonly vanished: readonly number[];
  /** The new number of messages, when there are new ones. */
  readonly exists: number | undefined;
  /** Indexes into changes.changed of messages whose flags are news to the client. */
  readonly changed: readonly number[];
  /** True when there are other keywords than the client knows, or it may set other flags than it was told. */
  readonly flags: boolean;
}

interface Released {
  readonly numbers: readonly number[];
  readonly uids: readonly number[];
}

const nothing: readonly number[] = [];
const noneReleased: Released = { numbers: nothing, uids: nothing };
const noUids = new Uint32Array(0);

/** Ranges of \Recent messages that are remembered: more come only when sessions take turns in being told first. */
const recentRangesMax = 64;

interface Answered {
  readonly uids: Uint32Array;
  readonly modSeqs: Float64Array;
  /** Those before it were looked for. */
  next: number;
}

export class MailboxView {
  /** That has the mailbox: the session's own, or somebody else's. */
  readonly account: AccountPort;
  /** What stands before its name there, for this client (mailbox-location.ts). */
  readonly prefix: string;
  readonly mailboxId: MailboxId;
  /** What the session may do, as far as the client was told; the account has the last word. */
  rights: Rights;
  /** EXAMINE. */
  readonly examines: boolean;
  readonly uidValidity: number;
  /** The client knows everything up to here, but for the messages held. */
  modSeq: ModSeq;
  /** UIDs from here on were never in the view. */
  uidNext: number;
  keywords: readonly string[];
  /** RFC 5182: the result of the last SEARCH RETURN (SAVE), as UIDs. */
  saved: Uint32Array = noUids;
  #uids: Uint32Array;
  #count: number;
  /** RFC 3501 \Recent: pairs of uids, each from one on to before another, ascending, of which this session was told first. */
  #recent: readonly number[];
  /** Expunged elsewhere, still numbered here: UIDs. Undefined: none (nearly always). */
  #held: Set<number> | undefined;
  /** While some are held: up to here the client knows of all expunges. */
  #settledModSeq = 0;
  /** Messages that this session changed, and the mod-sequences under which that was answered; of several commands. */
  #answered: Answered[] = [];

  constructor(
    opened: OpenedMailbox,
    options: Pick<MailboxLocation, 'account' | 'prefix'> & { readonly examines: boolean },
  ) {
    this.account = options.account;
    this.prefix = options.prefix;
    this.rights = opened.info.rights;
    this.mailboxId = opened.info.id;
    this.examines = options.examines;
    this.uidValidity = opened.info.uidValidity;
    this.modSeq = opened.info.highestModSeq;
    this.uidNext = opened.info.uidNext;
    this.keywords = opened.info.keywords;
    // Many sessions idle in empty mailboxes.
    this.#uids = opened.uids.length === 0 ? noUids : opened.uids;
    this.#count = opened.uids.length;
    this.#recent = withRange(nothing, opened.recentFrom, this.uidNext);
  }

  get readOnly(): boolean {
    return this.examines || !mayChange(this.rights);
  }

  /** The number of messages the client knows of. */
  get count(): number {
    return this.#count;
  }

  /** All UIDs in sequence order; do not keep or change. */
  get uids(): Uint32Array {
    return this.#count === this.#uids.length ? this.#uids : this.#uids.subarray(0, this.#count);
  }

  /** The highest UID in the view, 0 when it is empty: what `*` means in a UID set. */
  get lastUid(): number {
    return this.#count === 0 ? 0 : this.#uids[this.#count - 1]!;
  }

  uidAt(sequence: number): Uid {
    assert(sequence >= 1 && sequence <= this.#count, `sequence number ${sequence} of ${this.#count}`);
    return this.#uids[sequence - 1] as Uid;
  }

  /** The index of the first message with this UID or a higher one. */
  indexFrom(uid: number): number {
    const uids = this.#uids;
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (uids[middle]! < uid) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The sequence number of a UID, 0 when it is not in the view. */
  sequenceOf(uid: number): number {
    // Where it is when no UID before it is missing, as in most mailboxes.
    const likely = uid - this.#uids[0]!;
    if (likely >= 0 && likely < this.#count && this.#uids[likely] === uid) return likely + 1;
    const index = this.indexFrom(uid);
    return index < this.#count && this.#uids[index] === uid ? index + 1 : 0;
  }

  /** The sequence numbers of UIDs, in their order; 0 for those that are not in the view. */
  sequencesOf(uids: Uint32Array): Uint32Array {
    const sequences = new Uint32Array(uids.length);
    for (let at = 0; at < uids.length; at++) sequences[at] = this.sequenceOf(uids[at]!);
    return sequences;
  }

  /** Those that are in the view; the same array when all are. */
  known(uids: Uint32Array): Uint32Array {
    let at = 0;
    while (at < uids.length && this.sequenceOf(uids[at]!) !== 0) at++;
    return at === uids.length ? uids : uids.filter((uid) => this.sequenceOf(uid) !== 0);
  }

  /** The mailbox's keywords, as they name flags that are told next. True: FLAGS must be told before, the client knows others. */
  learns(keywords: readonly string[]): boolean {
    const known = this.keywords;
    this.keywords = keywords;
    return known.length !== keywords.length || keywords.some((name, index) => name !== known[index]);
  }

  /** How many messages are \Recent to this session. */
  get recent(): number {
    const pairs = this.#recent;
    let count = 0;
    for (let at = 0; at < pairs.length; at += 2)
      count += this.indexFrom(pairs[at + 1]!) - this.indexFrom(pairs[at]!);
    return count;
  }

  isRecent(uid: number): boolean {
    const pairs = this.#recent;
    for (let at = pairs.length - 2; at >= 0; at -= 2) if (uid >= pairs[at]!) return uid < pairs[at + 1]!;
    return false;
  }

  /** What is \Recent to this session as inclusive pairs of uids, ascending. */
  recentRanges(): number[] {
    return this.#recent.map((uid, at) => (at % 2 === 0 ? uid : uid - 1));
  }

  /** True when messages of the view are known to be gone: EXPUNGE is owed at the next occasion. */
  get owesExpunge(): boolean {
    return this.#held !== undefined;
  }

  /** Up to here the client knows everything, expunges included: what it may resynchronise from (RFC 7162 section 6). */
  get settledModSeq(): number {
    return this.#held === undefined ? this.modSeq : this.#settledModSeq;
  }

  isHeld(uid: number): boolean {
    return this.#held?.has(uid) ?? false;
  }

  /** The client knows everything up to here: it was up to date, and was answered all that happened since. */
  knowsUpTo(modSeq: ModSeq): void {
    if (modSeq > this.modSeq) this.modSeq = modSeq;
  }

  /** The client was answered this state of these messages: `advance` will not tell it again. The uids ascend. */
  answered(uids: Uint32Array, modSeqs: Float64Array): void {
    if (uids.length > 0) this.#answered.push({ uids, modSeqs, next: 0 });
  }

  /**
   * Folds in what changed since `modSeq`. With `mayExpunge` false messages that vanished keep their numbers and are
   * held until an advance that may. `allUids` must be given when `changes.incomplete`.
   */
  advance(changes: MailboxChanges, mayExpunge: boolean, allUids?: Uint32Array): ViewUpdate {
    const settled = this.settledModSeq;
    this.#hold(changes.vanished);
    if (changes.incomplete && allUids !== undefined) this.#holdMissing(allUids);
    const { numbers: expunged, uids: vanished } = mayExpunge ? this.#releaseHeld() : noneReleased;
    this.#settledModSeq = settled;
    const before = this.#count;
    const changed = this.#fold(changes);
    const flags = this.learns(changes.keywords) || changes.rights !== this.rights;
    this.rights = changes.rights;
    this.modSeq = changes.modSeq;
    const recentFrom = Math.max(this.uidNext, changes.recentFrom ?? 0);
    this.#recent = withRange(this.#recent, recentFrom, changes.uidNext);
    this.uidNext = Math.max(this.uidNext, changes.uidNext);
    this.#answered = [];
    return { expunged, vanished, exists: this.#count > before ? this.#count : undefined, changed, flags };
  }

  #hold(uids: Uint32Array): void {
    for (let at = 0; at < uids.length; at++) {
      const uid = uids[at]!;
      if (this.sequenceOf(uid) === 0) continue;
      this.#held ??= new Set();
      this.#held.add(uid);
    }
  }

  #holdMissing(allUids: Uint32Array): void {
    let other = 0;
    for (let index = 0; index < this.#count; index++) {
      const uid = this.#uids[index]!;
      while (other < allUids.length && allUids[other]! < uid) other++;
      if (other < allUids.length && allUids[other] === uid) continue;
      this.#held ??= new Set();
      this.#held.add(uid);
    }
  }

  /** Takes what is held out of the view; the sequence numbers and UIDs to tell. */
  #releaseHeld(): Released {
    const held = this.#held;
    if (held === undefined) return noneReleased;
    this.#held = undefined;
    const numbers: number[] = [];
    const uids: number[] = [];
    const kept = new Uint32Array(this.#count);
    let count = 0;
    for (let index = 0; index < this.#count; index++) {
      const uid = this.#uids[index]!;
      // What was kept so far is what stands before it once the earlier ones are gone.
      if (held.has(uid)) {
        numbers.push(count + 1);
        uids.push(uid);
      } else kept[count++] = uid;
    }
    this.#uids = kept;
    this.#count = count;
    // RFC 5182 2.1: expunged messages leave the saved result.
    if (this.saved.length > 0) this.saved = this.saved.filter((uid) => !held.has(uid));
    return { numbers, uids };
  }

  /** Appends new messages; the indexes of known ones whose state is news. */
  #fold(changes: MailboxChanges): readonly number[] {
    const { uids, modSeqs } = changes.changed;
    this.#answered.sort((one, other) => one.uids[0]! - other.uids[0]!);
    let news: number[] | undefined;
    for (let at = 0; at < uids.length; at++) {
      const uid = uids[at]!;
      if (uid >= this.uidNext) {
        this.#append(uid);
      } else if (!this.#wasAnswered(uid, modSeqs[at]!) && this.sequenceOf(uid) !== 0) {
        news ??= [];
        news.push(at);
      }
    }
    return news ?? nothing;
  }

  /** Asked in the order of the uids. */
  #wasAnswered(uid: number, modSeq: number): boolean {
    while (this.#answered.length > 0 && this.#answered[0]!.uids.at(-1)! < uid) this.#answered.shift();
    for (const answered of this.#answered) {
      const { uids, modSeqs } = answered;
      if (uids[0]! > uid) return false;
      let { next } = answered;
      while (next < uids.length && uids[next]! < uid) next++;
      answered.next = next;
      if (uids[next] === uid && modSeqs[next]! >= modSeq) return true;
    }
    return false;
  }

  #append(uid: number): void {
    if (this.#count === this.#uids.length) {
      // Never written in place: the first array is the account's, and readers may hold the last one.
      const grown = new Uint32Array(this.#count + Math.max(4, this.#count >>> 3));
      grown.set(this.#uids);
      this.#uids = grown;
    }
    this.#uids[this.#count++] = uid;
    assert(this.#count === 1 || this.#uids[this.#count - 2]! < uid, 'UIDs rise');
  }
}

/** Pairs and one behind them; what is too much goes in front. */
function withRange(pairs: readonly number[], from: number, to: number): readonly number[] {
  if (from >= to) return pairs;
  if (pairs.at(-1) === from) return [...pairs.slice(0, -1), to];
  return [...pairs, from, to].slice(-2 * recentRangesMax);
}

/** RFC 4314 5.2. */
function mayChange(rights: Rights): boolean {
  return ['i', 'e', 's', 'w', 't'].some((right) => rights.includes(right));
}
