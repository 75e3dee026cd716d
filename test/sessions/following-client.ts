// A client that follows its selected mailbox by what it is told and nothing else, as RFC 9051 5.2 and 7.4 have it: numbers
// shift with EXPUNGE and grow with EXISTS. What it is told is judged by the model as well, when there is one.

import assert from 'node:assert/strict';
import { type Answer, ImapClient } from './imap-client.ts';
import { flagText, type ModelMailbox } from './model-mailboxes.ts';

interface KnownMessage {
  /** Undefined: told by EXISTS, not fetched yet. */
  uid: number | undefined;
  flags: string | undefined;
  modSeq: number;
  /** Of the model, when the mod-sequence was told. */
  version: number;
}

export type ClientKind = 'plain' | 'condstore' | 'qresync';

export class FollowingClient {
  readonly kind: ClientKind;
  messages: KnownMessage[] = [];
  readOnly = false;
  isSelected = false;
  /** What is selected, as it should be; undefined: nobody knows. */
  model: ModelMailbox | undefined;
  /** Ends the IDLE that is under way. */
  idling: (() => Promise<Answer>) | undefined;
  #client: ImapClient;
  #mayExpunge = true;
  #highestUid = 0;

  constructor(client: ImapClient, kind: ClientKind) {
    this.#client = client;
    this.kind = kind;
  }

  static async login(port: number, kind: ClientKind): Promise<FollowingClient> {
    const client = await ImapClient.login(port, 'alice');
    if (kind !== 'plain') await client.send(`ENABLE ${kind}`).ok();
    return new FollowingClient(client, kind);
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  /** Sends and waits for the end; what was told is for `follow`. */
  ask(command: string): Promise<Answer> {
    return this.#client.send(command).ended();
  }

  append(mailbox: string, message: string, flags: string): Promise<Answer> {
    return this.#client.append(mailbox, message, flags).ended();
  }

  async idle(): Promise<void> {
    const done = await this.#client.idle();
    this.idling = () => done().ok();
  }

  /** The connection ends with these words. */
  async saysGoodbye(): Promise<string | undefined> {
    this.#client.write('NOOP');
    let last: string | undefined;
    for (let line = await this.#client.line(); line !== undefined; line = await this.#client.line())
      last = line;
    return last;
  }

  select(model: ModelMailbox | undefined, readOnly: boolean): void {
    this.messages = [];
    this.isSelected = true;
    this.readOnly = readOnly;
    this.model = model;
    this.#highestUid = 0;
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

  /** With the model: all there is, and as it is. */
  check(): void {
    assert(this.model !== undefined);
    const known = this.messages.map(({ uid, flags }) => [uid, flags]);
    const there = [...this.model.messages].map(([uid, { flags }], index) => {
      return [uid, this.messages[index]?.flags === undefined ? undefined : flagText(flags)];
    });
    assert.deepEqual(known, there);
  }

  #take(line: string): void {
    const [, first = '', word = '', rest = ''] = /^\* (\S+) ?(\S*) ?(.*)$/s.exec(line) ?? [];
    if (word === 'EXISTS') this.#exists(Number(first));
    else if (word === 'EXPUNGE') this.#expunge(Number(first));
    else if (word === 'FETCH') this.#fetched(Number(first), rest);
    else if (word === 'RECENT') assert(Number(first) <= this.messages.length, line);
    else if (first === 'VANISHED') this.#vanished(word);
    else if (first === 'SEARCH') this.#found(line);
    else assert.match(line, /^\* (FLAGS \(|OK \[(COPYUID|PERMANENTFLAGS|HIGHESTMODSEQ|CLOSED|U|MAILBOXID))/);
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
    assert(this.#mayExpunge && this.kind !== 'qresync', 'no EXPUNGE here');
    assert(number >= 1 && number <= this.messages.length, `${number} EXPUNGE of ${this.messages.length}`);
    const [gone] = this.messages.splice(number - 1, 1);
    assert(this.model?.messages.has(gone!.uid!) !== true, `${gone!.uid} is there`);
  }

  #vanished(set: string): void {
    assert(this.#mayExpunge && this.kind === 'qresync', 'no VANISHED here');
    for (const uid of expandSet(set)) {
      const index = this.messages.findIndex((message) => message.uid === uid);
      // One that was not fetched stands behind those below it.
      const behind =
        this.messages.findLastIndex((message) => message.uid !== undefined && message.uid < uid) + 1;
      const place = index >= 0 ? index : behind;
      assert(index >= 0 || (behind < this.messages.length && this.messages[behind]!.uid === undefined));
      this.messages.splice(place, 1);
      assert(this.model?.messages.has(uid) !== true, `${uid} is there`);
    }
  }

  #fetched(number: number, items: string): void {
    const message = this.messages[number - 1];
    assert(message !== undefined, `${number} FETCH of ${this.messages.length}`);
    const uid = Number(/UID (\d+)/.exec(items)![1]);
    message.uid ??= uid;
    assert.equal(uid, message.uid, `message ${number}`);
    this.#highestUid = Math.max(this.#highestUid, uid);
    const there = this.model?.messages.get(uid);
    if (this.model !== undefined) assert(there !== undefined, `${uid} is gone`);
    const flags = /FLAGS \(([^)]*)\)/.exec(items)?.[1];
    if (flags !== undefined) {
      message.flags = flagText(flags.split(' ').filter((name) => name !== ''));
      if (there !== undefined) assert.equal(message.flags, flagText(there.flags), `flags of ${uid}`);
    }
    const modSeq = /MODSEQ \((\d+)\)/.exec(items)?.[1];
    assert(modSeq === undefined || this.kind !== 'plain', 'MODSEQ is for who asks for it');
    if (modSeq !== undefined) this.#changedAt(message, Number(modSeq), there?.version ?? 0);
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
      return this.model!.messages.has(uid!) ? [index + 1] : [];
    });
    assert.deepEqual(numbers, there);
  }
}

/** `1:3,5` */
export function expandSet(set: string): number[] {
  return set.split(',').flatMap((range) => {
    const [first, last = first] = range.split(':').map(Number);
    return Array.from({ length: last! - first! + 1 }, (_, index) => first! + index);
  });
}
