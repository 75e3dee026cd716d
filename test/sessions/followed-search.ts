// A result that the server keeps its client told of (RFC 5267 4.3), as the client has it: made of what came with the tag of
// the search, ADDTO and REMOVEFROM taken as they stand, in their order. What it is told must make sense where it comes: only
// what is in the result leaves it, at the position that is told, and only what is not comes to it.

import assert from 'node:assert/strict';
import { expandSet } from './sequence-numbers.ts';

export interface SearchWish {
  /** As it is asked: `NOT SEEN`. */
  readonly key: string;
  /** The criteria of a SORT: `REVERSE SUBJECT`; undefined: a SEARCH. */
  readonly order: string | undefined;
  readonly uid: boolean;
}

/** What stands for a message: its UID, or, where numbers are told, whatever the client has at that number. */
export type Found<Message> = number | Message;

export class FollowedSearch<Message extends object> {
  readonly wish: SearchWish;
  #found: Found<Message>[] = [];

  constructor(wish: SearchWish) {
    this.wish = wish;
  }

  get found(): readonly Found<Message>[] {
    return this.#found;
  }

  /** `UID SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 ALL` */
  static command(wish: SearchWish, options = 'UPDATE ALL'): string {
    const uid = wish.uid ? 'UID ' : '';
    if (wish.order === undefined) return `${uid}SEARCH RETURN (${options}) ${wish.key}`;
    return `${uid}SORT RETURN (${options}) (${wish.order}) UTF-8 ${wish.key}`;
  }

  /** What stands behind the tag in an ESEARCH response; `messages`: by their numbers, at this moment. */
  take(told: string, messages: readonly Message[]): void {
    const [, uid = '', rest = ''] = /^( UID)?(.*)$/.exec(told)!;
    assert.equal(uid !== '', this.wish.uid, told);
    const all = /^ ALL (\S+)$/.exec(rest);
    if (rest === '') this.#found = [];
    else if (all !== null) this.#found = this.#messagesOf(all[1]!, messages);
    else {
      const changes = [...rest.matchAll(/ (ADDTO|REMOVEFROM) \(([^)]*)\)/g)];
      assert.equal(changes.map(([text]) => text).join(''), rest);
      for (const [, change, list] of changes) this.#change(change!, list!.split(' '), messages);
    }
  }

  #change(change: string, list: readonly string[], messages: readonly Message[]): void {
    for (let at = 0; at < list.length; at += 2) {
      const position = Number(list[at]);
      assert.equal(position > 0, this.wish.order !== undefined, `${change} at ${position}`);
      const those = this.#messagesOf(list[at + 1]!, messages);
      if (change === 'ADDTO') this.#add(position, those);
      else this.#remove(position, those);
    }
  }

  #add(position: number, those: readonly Found<Message>[]): void {
    for (const one of those) assert(!this.#found.includes(one), 'it is in the result');
    assert(position <= this.#found.length + 1, `ADDTO ${position} of ${this.#found.length}`);
    this.#found.splice(position === 0 ? this.#found.length : position - 1, 0, ...those);
  }

  #remove(position: number, those: readonly Found<Message>[]): void {
    for (const one of those) assert(this.#found.includes(one), 'it is not in the result');
    if (position === 0) this.#found = this.#found.filter((one) => !those.includes(one));
    else assert.deepEqual(this.#found.splice(position - 1, those.length), those, `REMOVEFROM ${position}`);
  }

  #messagesOf(set: string, messages: readonly Message[]): Found<Message>[] {
    const numbers = expandSet(set);
    if (this.wish.uid) return numbers;
    return numbers.map((number) => {
      assert(number >= 1 && number <= messages.length, `message ${number} of ${messages.length}`);
      return messages[number - 1]!;
    });
  }
}
