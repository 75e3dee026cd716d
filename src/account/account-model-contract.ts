// What tests of whole accounts against a model need: steps that are drawn at random, a model of mailboxes too simple to be
// wrong, and sessions that follow by changesSince. Not part of the program.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { flagNames, keywordsMax, systemFlags } from '../mail/flags.ts';
import type { MailboxId, ModSeq } from '../mail/ids.ts';
import type { AccountPort } from './port.ts';
import { messageText, newMessage, newOperation } from './testing.ts';

export type Step =
  | {
      readonly type: 'append';
      readonly box: number;
      readonly flags: readonly string[];
      readonly count: number;
    }
  | {
      readonly type: 'flags';
      readonly box: number;
      readonly picks: readonly number[];
      readonly mode: 'add' | 'remove' | 'replace';
      readonly flags: readonly string[];
    }
  | {
      readonly type: 'copy';
      readonly box: number;
      readonly to: number;
      readonly picks: readonly number[];
      readonly move: boolean;
    }
  | {
      readonly type: 'expunge';
      readonly box: number;
      readonly picks: readonly number[] | undefined;
      readonly anyFlags: boolean;
    }
  | { readonly type: 'sync'; readonly session: number }
  | { readonly type: 'unload' };

const boxCount = 3;
export const sessionCount = 3;
const messages = Array.from({ length: 6 }, (_, index) =>
  newMessage(
    messageText({
      id: `m${index}@test`,
      subject: `S${index % 2}`,
      ...(index > 0 ? { references: `m${index - 1}@test` } : {}),
    }),
  ),
);

const box = fc.nat(boxCount - 1);
/** Two of them fit into a mailbox's table, three do not: places change their names. */
const families = ['a', 'b', 'c', 'd'].map((name) => Array.from({ length: 25 }, (_, at) => `${name}${at}`));
const flags = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.uniqueArray(fc.constantFrom(...systemFlags, 'work', 'Fun', '$Junk'), { maxLength: 3 }),
  },
  { weight: 2, arbitrary: fc.constantFrom(...families) },
);
const picks = fc
  .uniqueArray(fc.nat(12), { maxLength: 6 })
  .map((list) => list.map((uid) => uid + 1).sort((a, b) => a - b));
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('append' as const),
      box,
      flags,
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('flags' as const),
      box,
      picks,
      mode: fc.constantFrom('add' as const, 'remove' as const, 'replace' as const),
      flags,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('copy' as const), box, to: box, picks, move: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('expunge' as const),
      box,
      picks: fc.option(picks, { nil: undefined }),
      anyFlags: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('sync' as const), session: fc.nat(sessionCount - 1) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('unload' as const) }) },
);

interface ModelMessage {
  readonly flags: ReadonlySet<string>;
  readonly email: number;
}

export class Model {
  readonly boxes = Array.from({ length: boxCount }, () => ({
    next: 1,
    messages: new Map<number, ModelMessage>(),
  }));
  emails = 0;

  /** False: the mailbox would have more keywords in use than there is room for. */
  fits(step: Step): boolean {
    if (step.type === 'append') return this.#hasRoom(step.box, step.flags);
    if (step.type === 'flags') return step.mode === 'remove' || this.#hasRoom(step.box, step.flags);
    if (step.type !== 'copy') return true;
    const copied = step.picks.flatMap((uid) => [...(this.boxes[step.box]!.messages.get(uid)?.flags ?? [])]);
    return this.#hasRoom(step.to, copied);
  }

  #hasRoom(index: number, names: readonly string[]): boolean {
    const used = [...this.boxes[index]!.messages.values()].flatMap(({ flags: held }) => [...held]);
    const keywords = new Set([...used, ...names].filter((name) => !name.startsWith('\\')));
    return keywords.size <= keywordsMax;
  }

  apply(step: Step): void {
    if (step.type === 'append') {
      for (let index = 0; index < step.count; index++)
        this.#add(step.box, { flags: new Set(step.flags), email: ++this.emails });
    } else if (step.type === 'flags') this.#flags(step);
    else if (step.type === 'copy') this.#copy(step);
    else if (step.type === 'expunge') this.#expunge(step);
  }

  #add(index: number, message: ModelMessage): void {
    const target = this.boxes[index]!;
    target.messages.set(target.next++, message);
  }

  #flags({ box: index, picks: uids, mode, flags: names }: Step & { type: 'flags' }): void {
    const held = this.boxes[index]!.messages;
    for (const uid of uids) {
      const message = held.get(uid);
      if (message === undefined) continue;
      const before = mode === 'replace' ? new Set<string>() : message.flags;
      const after = mode === 'remove' ? before.difference(new Set(names)) : before.union(new Set(names));
      held.set(uid, { ...message, flags: after });
    }
  }

  #copy({ box: index, to, picks: uids, move }: Step & { type: 'copy' }): void {
    const found = uids.filter((uid) => this.boxes[index]!.messages.has(uid));
    for (const uid of found) this.#add(to, this.boxes[index]!.messages.get(uid)!);
    if (move) for (const uid of found) this.boxes[index]!.messages.delete(uid);
  }

  #expunge({ box: index, picks: uids, anyFlags }: Step & { type: 'expunge' }): void {
    const held = this.boxes[index]!.messages;
    for (const uid of uids ?? [...held.keys()]) {
      if (anyFlags || held.get(uid)?.flags.has('\\Deleted')) held.delete(uid);
    }
  }
}

export class Session {
  readonly views = Array.from({ length: boxCount }, () => new Map<number, string>());
  readonly modSeqs = Array.from({ length: boxCount }, () => 0);

  async follow(account: AccountPort, ids: readonly MailboxId[]): Promise<void> {
    for (const [index, id] of ids.entries()) {
      const changes = await account.changesSince(id, this.modSeqs[index] as ModSeq);
      assert.equal(changes.incomplete, false);
      const view = this.views[index]!;
      const { uids, flagsLow, flagsHigh } = changes.changed;
      for (let at = 0; at < uids.length; at++) {
        view.set(uids[at]!, named(flagNames(flagsLow[at]!, flagsHigh[at]!, changes.keywords)));
      }
      for (const uid of changes.vanished) view.delete(uid);
      this.modSeqs[index] = changes.modSeq;
    }
  }
}

export function named(names: Iterable<string>): string {
  return [...names].sort().join(' ');
}

export function perform(account: AccountPort, ids: readonly MailboxId[], given: Step): Promise<unknown> {
  const operation = newOperation();
  switch (given.type) {
    case 'append': {
      const chosen = Array.from({ length: given.count }, (_, index) => ({
        ...messages[index + given.box]!,
        flags: given.flags,
      }));
      return account.append({ operation, target: { id: ids[given.box]! }, messages: chosen });
    }
    case 'flags':
      return account.storeFlags({
        operation,
        mailboxId: ids[given.box]!,
        uids: Uint32Array.from(given.picks),
        mode: given.mode,
        flags: given.flags,
        unchangedSince: undefined,
      });
    case 'copy':
      return account.copy({
        operation,
        from: ids[given.box]!,
        uids: Uint32Array.from(given.picks),
        to: { id: ids[given.to]! },
        move: given.move,
      });
    case 'expunge':
      return account.expunge({
        operation,
        mailboxId: ids[given.box]!,
        uids: given.picks && Uint32Array.from(given.picks),
        anyFlags: given.anyFlags,
      });
    default:
      return Promise.resolve();
  }
}

export async function mailboxIds(account: AccountPort): Promise<MailboxId[]> {
  return (await account.listMailboxes()).mailboxes.slice(0, boxCount).map(({ id }) => id);
}
