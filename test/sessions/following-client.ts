// A client that follows its selected mailbox by what it is told and nothing else, as RFC 9051 5.2 and 7.4 have it: numbers
// shift with EXPUNGE and grow with EXISTS; with UIDONLY (RFC 9586) there are none. What it is told is judged by the model as
// well, when there is one.

import assert from 'node:assert/strict';
import { allRights, type Rights, rightOfFlag } from '../../src/mail/rights.ts';
import { type ClientKind, type Entry, guestOf, ownerOf } from './client-kind.ts';
import { FollowedSearch, type Found, type SearchWish } from './followed-search.ts';
import { type Answer, ImapClient } from './imap-client.ts';
import { flagText, foundIn, type ModelMailbox } from './model-mailboxes.ts';
import { expandSet } from './sequence-numbers.ts';

interface KnownMessage {
  /** Undefined: told by EXISTS, not fetched yet. */
  uid: number | undefined;
  flags: string | undefined;
  modSeq: number;
  /** Of the model, when the mod-sequence was told; -1: there was none. */
  version: number;
}

/** Fewer than the server follows: none is refused. */
const searchesMax = 4;

export class FollowingClient {
  readonly kind: ClientKind;
  messages: KnownMessage[] = [];
  isSelected = false;
  isNotified = false;
  /** UIDs of the result that it saved last; undefined: none. */
  saved: ReadonlySet<number> | undefined;
  /** What is selected, as it should be; undefined: nobody knows. */
  model: ModelMailbox | undefined;
  /** Ends the IDLE that is under way. */
  idling: (() => Promise<Answer>) | undefined;
  /** By their tags, the oldest first. */
  readonly searches = new Map<string, FollowedSearch<KnownMessage>>();
  #client: ImapClient;
  /** What stands before the names of the mailboxes. */
  readonly #prefix: string;
  #examines = false;
  /** The flags that it was told to be able to change. */
  #permanent: readonly string[] = [];
  #mayExpunge = true;
  #highestUid = 0;
  /** All messages up to this UID were fetched. */
  #fetchedUpTo = 0;
  #isCompressed = false;
  /** What is told of it may have been on its way. */
  #cancelled: string | undefined;

  constructor(client: ImapClient, kind: ClientKind, prefix: string) {
    this.#client = client;
    this.kind = kind;
    this.#prefix = prefix;
  }

  static async login(entry: Entry, kind: ClientKind): Promise<FollowingClient> {
    const client = await ImapClient.connect(entry.port);
    const owner = ownerOf(entry);
    const person = kind.isGuest ? guestOf(entry) : owner;
    const following = new FollowingClient(client, kind, kind.isGuest ? `Other Users/${owner.address}/` : '');
    await client.send(`LOGIN ${person.address} "${person.password}"`).ok();
    if (kind.compressed) await following.compress();
    if (kind.extension !== undefined) await client.send(`ENABLE ${kind.extension}`).ok();
    if (kind.uidOnly) await client.send('ENABLE UIDONLY').ok();
    return following;
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  /** Is told mod-sequences. */
  get knowsModSeqs(): boolean {
    return this.kind.extension !== undefined;
  }

  /** On the selected mailbox. */
  get rights(): Rights {
    return this.rightsOn(this.model);
  }

  /** It was told that it can change nothing. */
  get readOnly(): boolean {
    return this.#permanent.length === 0;
  }

  /** It was told that it can set \Deleted. */
  get mayDelete(): boolean {
    return this.#permanent.includes('\\Deleted');
  }

  /** Where nobody knows the mailbox, nobody takes any. */
  rightsOn(mailbox: ModelMailbox | undefined): Rights {
    return this.kind.isGuest ? (mailbox?.guestRights ?? allRights) : allRights;
  }

  /** It is there, and all of `needs` are given on it. */
  may(mailbox: ModelMailbox | undefined, needs: string): boolean {
    const rights = this.rightsOn(mailbox);
    return mailbox !== undefined && [...needs].every((right) => rights.includes(right));
  }

  /** As it is called for this client, for commands. */
  nameOf(mailbox: string): string {
    return `"${this.#prefix}${mailbox}"`;
  }

  /** Sends and waits for the end; what was told is for `follow`. */
  ask(command: string): Promise<Answer> {
    return this.#client.send(command).ended();
  }

  async idle(): Promise<void> {
    const done = await this.#client.idle();
    this.idling = () => done().ok();
  }

  /** Is told of the selected mailbox at any time from now on (RFC 5465). */
  async notify(): Promise<void> {
    this.isNotified = true;
    this.follow(
      await this.#client.send('NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange))').ok(),
      true,
    );
  }

  /** Nothing when it was done before. */
  async compress(): Promise<void> {
    if (this.#isCompressed) return;
    this.#isCompressed = true;
    this.follow(await this.#client.send('COMPRESS DEFLATE').ok(), true);
    this.#client.socket.startDeflate();
  }

  /** Searches, and is told of the result from then on; the oldest one makes room. */
  async search(wish: SearchWish): Promise<void> {
    if (this.searches.size >= searchesMax) await this.cancelSearch();
    const command = FollowedSearch.command(wish);
    const tag = this.#client.write(command);
    this.searches.set(tag, new FollowedSearch(wish));
    this.follow(await this.#client.expect(tag, command).ok(), wish.uid);
  }

  /** The oldest one. */
  async cancelSearch(): Promise<void> {
    const [tag] = this.searches.keys();
    if (tag === undefined) return;
    this.searches.delete(tag);
    this.#cancelled = tag;
    this.follow(await this.#client.send(`CANCELUPDATE "${tag}"`).ok(), true);
  }

  /** From now on the result is `$` (RFC 5182). */
  async save(key: string): Promise<void> {
    const command = `UID SEARCH RETURN (SAVE ALL) ${key}`;
    const known = new Set(this.messages.map(({ uid }) => uid));
    const tag = this.#client.write(command);
    const search = new FollowedSearch<KnownMessage>({ key, order: undefined, uid: true });
    this.searches.set(tag, search);
    this.follow(await this.#client.expect(tag, command).ok(), true);
    this.searches.delete(tag);
    this.saved = new Set(search.found as readonly number[]);
    if (this.model === undefined) return;
    const there = foundIn(this.model, search.wish).filter((uid) => known.has(uid));
    assert.deepEqual([...this.saved], there, command);
  }

  /** Places of the messages of the saved result that are there. */
  savedPlaces(): number[] {
    return [...this.messages.keys()].filter((place) => this.saved!.has(this.messages[place]!.uid!));
  }

  saysGoodbye(): Promise<string | undefined> {
    return this.#client.saysGoodbye();
  }

  select(model: ModelMailbox | undefined, examines: boolean): void {
    this.messages = [];
    this.isSelected = true;
    this.#examines = examines;
    this.model = model;
    this.saved = undefined;
    this.#highestUid = 0;
    this.#fetchedUpTo = 0;
    this.searches.clear();
  }

  unselect(): void {
    this.select(undefined, false);
    this.isSelected = false;
  }

  /** Takes in what an answer told, in its order. `mayExpunge`: numbers may shift (RFC 9051 7.5.1). */
  follow(answer: Answer, mayExpunge: boolean): void {
    this.#mayExpunge = mayExpunge;
    for (const line of answer.untagged) this.#take(line);
  }

  /** What was told while others were at work: the model is further than each of these lines. `check` judges where it ended. */
  async followPushed(answer: Answer): Promise<void> {
    const { model } = this;
    this.model = undefined;
    this.follow(answer, true);
    if (model !== undefined) await this.fetchUnknown();
    this.model = model;
    for (const message of this.messages)
      if (message.version < 0) Object.assign(message, { modSeq: 0, version: 0 });
  }

  /** Those that were told by EXISTS only. */
  async fetchUnknown(): Promise<void> {
    const unknown = this.messages.findIndex(({ uid }) => uid === undefined);
    if (unknown < 0) return;
    const { uidOnly } = this.kind;
    const command = uidOnly ? `UID FETCH ${this.#fetchedUpTo + 1}:*` : `FETCH ${unknown + 1}:*`;
    this.follow(await this.ask(`${command} (UID FLAGS)`), uidOnly);
    this.#fetchedUpTo = Math.max(this.#fetchedUpTo, ...this.messages.map(({ uid }) => uid ?? 0));
  }

  /** The answer of a SELECT that was done: what comes before CLOSED is of the mailbox before (RFC 9051 7.1). */
  followSelect(answer: Answer, model: ModelMailbox | undefined, examines = false): void {
    const closed = answer.untagged.findIndex((line) => line.startsWith('* OK [CLOSED]'));
    this.follow({ ...answer, untagged: answer.untagged.slice(0, Math.max(0, closed)) }, true);
    this.select(model, examines);
    this.follow({ ...answer, untagged: answer.untagged.slice(Math.max(0, closed)) }, true);
  }

  /** With the model: all there is, and as it is. */
  check(): void {
    const { model } = this;
    assert(model !== undefined);
    const known = this.messages.map(({ uid, flags }) => [uid, flags]);
    const there = [...model.messages].map(([uid, { flags }], index) => {
      return [uid, this.messages[index]?.flags === undefined ? undefined : flagText(flags)];
    });
    assert.deepEqual(known, there);
    // RFC 4314 5.1.1: it knows of the rights that it has now.
    const rights = this.#examines ? '' : this.rights;
    for (const flag of ['\\Seen', '\\Deleted', '\\Flagged'])
      assert.equal(this.#permanent.includes(flag), rights.includes(rightOfFlag(flag)), `${flag}: ${rights}`);
    for (const { wish, found } of this.searches.values()) {
      const uids = found.map((one) => (typeof one === 'number' ? one : one.uid!));
      if (wish.order === undefined) uids.sort((a, b) => a - b);
      assert.deepEqual(uids, foundIn(model, wish), FollowedSearch.command(wish));
    }
  }

  /** The server finds the same when it searches again, all being told. */
  async checkSearches(): Promise<void> {
    for (const { wish, found } of this.searches.values()) {
      const again = new FollowedSearch<KnownMessage>(wish);
      const answer = await this.ask(FollowedSearch.command(wish, 'ALL'));
      again.take(answer.untagged[0]!.replace(/^[^)]*\)/, ''), this.messages);
      assert.deepEqual(this.#numbersOf(found, wish), this.#numbersOf(again.found, wish));
    }
  }

  #numbersOf(found: readonly Found<KnownMessage>[], { order }: SearchWish): number[] {
    const numbers = found.map((one) => (typeof one === 'number' ? one : this.messages.indexOf(one) + 1));
    return order === undefined ? numbers.sort((a, b) => a - b) : numbers;
  }

  #take(line: string): void {
    const [, first = '', word = '', rest = ''] = /^\* (\S+) ?(\S*) ?(.*)$/s.exec(line) ?? [];
    if (word === 'EXISTS') this.#exists(Number(first));
    else if (word === 'EXPUNGE') this.#expunge(Number(first));
    else if (word === 'FETCH') this.#fetchedByNumber(Number(first), rest);
    else if (word === 'UIDFETCH') this.#fetchedByUid(Number(first), rest);
    else if (word === 'RECENT') assert(Number(first) <= this.messages.length, line);
    else if (first === 'VANISHED') this.#vanished(word);
    else if (first === 'SEARCH') this.#found(line);
    else if (first === 'ESEARCH') this.#followed(line);
    else if (word.startsWith('[PERMANENTFLAGS'))
      this.#permanent = /\((.+)\)/.exec(line)?.[1]?.split(' ') ?? [];
    else
      assert.match(
        line,
        /^\* (FLAGS \(|OK \[(APPENDUID|COPYUID|HIGHESTMODSEQ|CLOSED|U|MAILBOXID|INPROGRESS))/,
      );
  }

  #exists(count: number): void {
    const before = this.messages.length;
    assert(count >= before, `${count} EXISTS after ${before}`);
    const added = [...(this.model?.messages.keys() ?? [])].filter((uid) => uid > this.#highestUid);
    if (this.model !== undefined) assert.equal(count, before + added.length);
    for (let index = before; index < count; index++) {
      this.messages.push({ uid: added[index - before], flags: undefined, modSeq: 0, version: 0 });
    }
    this.#highestUid = Math.max(this.#highestUid, ...added);
  }

  #expunge(number: number): void {
    assert(this.#mayExpunge && this.kind.extension !== 'qresync' && !this.kind.uidOnly, 'no EXPUNGE here');
    assert(number >= 1 && number <= this.messages.length, `${number} EXPUNGE of ${this.messages.length}`);
    const [gone] = this.messages.splice(number - 1, 1);
    assert(this.model?.messages.has(gone!.uid!) !== true, `${gone!.uid} is there`);
    this.#isInNoResult(gone!);
  }

  #vanished(set: string): void {
    assert(this.#mayExpunge && (this.kind.extension === 'qresync' || this.kind.uidOnly), 'no VANISHED here');
    for (const uid of expandSet(set)) {
      const index = this.messages.findIndex((message) => message.uid === uid);
      const place = index >= 0 ? index : this.#placeOfUnknown(uid);
      const [gone] = this.messages.splice(place, 1);
      assert(this.model?.messages.has(uid) !== true, `${uid} is there`);
      this.#isInNoResult(gone!);
    }
  }

  /** One that was not fetched stands behind those below it: which of several makes no difference. */
  #placeOfUnknown(uid: number): number {
    const isUnknown = (message: KnownMessage | undefined): boolean =>
      message !== undefined && message.uid === undefined;
    const behind = this.messages.findLastIndex((message) => message.uid !== undefined && message.uid < uid);
    const place = this.kind.uidOnly ? this.messages.findIndex(isUnknown) : behind + 1;
    assert(isUnknown(this.messages[place]), `${uid} was never there`);
    return place;
  }

  /** RFC 5267 4.3.2: a message leaves the results before its number is another's. */
  #isInNoResult(gone: KnownMessage): void {
    for (const { wish, found } of this.searches.values()) {
      if (wish.uid) assert(gone.uid === undefined || !found.includes(gone.uid), `${gone.uid} is in a result`);
      else assert(!found.includes(gone), `${gone.uid} is in a result`);
    }
  }

  #fetchedByNumber(number: number, items: string): void {
    assert(!this.kind.uidOnly, 'no numbers here');
    const message = this.messages[number - 1];
    assert(message !== undefined, `${number} FETCH of ${this.messages.length}`);
    const uid = Number(/UID (\d+)/.exec(items)![1]);
    message.uid ??= uid;
    assert.equal(uid, message.uid, `message ${number}`);
    this.#fetched(message, uid, items);
  }

  /** Those that were not fetched yet are kept behind those that were. */
  #fetchedByUid(uid: number, items: string): void {
    assert(this.kind.uidOnly, 'numbers here');
    let message = this.messages.find((known) => known.uid === uid);
    if (message === undefined) {
      [message] = this.messages.splice(this.#placeOfUnknown(uid), 1);
      message!.uid = uid;
      const behind = this.messages.findIndex((known) => known.uid === undefined || known.uid > uid);
      this.messages.splice(behind < 0 ? this.messages.length : behind, 0, message!);
    }
    this.#fetched(message!, uid, items);
  }

  #fetched(message: KnownMessage, uid: number, items: string): void {
    this.#highestUid = Math.max(this.#highestUid, uid);
    const there = this.model?.messages.get(uid);
    if (this.model !== undefined) assert(there !== undefined, `${uid} is gone`);
    const flags = /FLAGS \(([^)]*)\)/.exec(items)?.[1];
    if (flags !== undefined) {
      message.flags = flagText(flags.split(' ').filter((name) => name !== ''));
      if (there !== undefined) assert.equal(message.flags, flagText(there.flags), `flags of ${uid}`);
    }
    const modSeq = /MODSEQ \((\d+)\)/.exec(items)?.[1];
    assert(modSeq === undefined || this.knowsModSeqs, 'MODSEQ is for who asks for it');
    if (modSeq !== undefined) this.#changedAt(message, Number(modSeq), there?.version ?? -1);
  }

  #changedAt(message: KnownMessage, modSeq: number, version: number): void {
    assert(modSeq >= message.modSeq, 'mod-sequences rise');
    if (this.model !== undefined && message.modSeq > 0) {
      assert.equal(
        modSeq === message.modSeq,
        version === message.version,
        `${message.uid}: one change, one step`,
      );
    }
    message.modSeq = modSeq;
    message.version = version;
  }

  #found(line: string): void {
    if (this.model === undefined) return;
    const numbers = line.split(' ').slice(2).map(Number);
    const there = this.messages.flatMap(({ uid }, index) => {
      if (!this.model!.messages.has(uid!)) return [];
      return [this.kind.uidOnly ? uid! : index + 1];
    });
    assert.deepEqual(numbers, there);
  }

  #followed(line: string): void {
    const [, tag, told] = /^\* ESEARCH \(TAG "?([^")]+)"?\)(.*)$/.exec(line)!;
    if (tag === this.#cancelled) return;
    const search = this.searches.get(tag!);
    assert(search !== undefined, `nobody follows ${tag}`);
    search.take(told!, this.messages);
  }
}
