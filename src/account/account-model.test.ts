// The account against a model too simple to be wrong, with several sessions that follow by changesSince, and with an
// engine that fails: memory must then equal what a fresh start reads, and whatever was acknowledged must be there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { flagNames, systemFlags } from '../mail/flags.ts';
import type { MailboxId, ModSeq } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { Engine } from '../storage/engine.ts';
import type { AccountHosts } from './account-hosts.ts';
import type { AccountPort } from './port.ts';
import {
  type CommitFault,
  failingEngine,
  messageText,
  newMessage,
  newOperation,
  openMemoryBlobStore,
  openTestHosts,
  testAccountId,
} from './testing.ts';
import { testEngines } from './testing-engines.ts';

type Step =
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
const sessionCount = 3;
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
const flags = fc.uniqueArray(fc.constantFrom(...systemFlags, 'work', 'Fun', '$Junk'), { maxLength: 3 });
const picks = fc
  .uniqueArray(fc.nat(12), { maxLength: 6 })
  .map((list) => list.map((uid) => uid + 1).sort((a, b) => a - b));
const step: fc.Arbitrary<Step> = fc.oneof(
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

class Model {
  readonly boxes = Array.from({ length: boxCount }, () => ({
    next: 1,
    messages: new Map<number, ModelMessage>(),
  }));
  emails = 0;

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

class Session {
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

function named(names: Iterable<string>): string {
  return [...names].sort().join(' ');
}

function perform(account: AccountPort, ids: readonly MailboxId[], given: Step): Promise<unknown> {
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

async function mailboxIds(account: AccountPort): Promise<MailboxId[]> {
  return (await account.listMailboxes()).mailboxes.slice(0, boxCount).map(({ id }) => id);
}

async function unload(hosts: AccountHosts): Promise<void> {
  const host = await hosts.host(testAccountId);
  if (!host.writer.busy) host.writer.unload();
}

async function checkModel(account: AccountPort, ids: readonly MailboxId[], model: Model): Promise<void> {
  const emails = new Set<number>();
  const emailOf = new Map<number, number>();
  for (const [index, id] of ids.entries()) {
    const info = (await account.findMailbox({ id }))!;
    const columns = await account.columns(id, undefined);
    const held = model.boxes[index]!.messages;
    assert.deepEqual([...columns.uids], [...held.keys()]);
    assert.equal(info.uidNext, model.boxes[index]!.next);
    let position = 0;
    for (const message of held.values()) {
      const names = flagNames(columns.flagsLow[position]!, columns.flagsHigh[position]!, info.keywords);
      assert.equal(named(names), named(message.flags));
      // The same email here if and only if it is the same in the model.
      const email = columns.emailIds[position++]!;
      assert.equal(emailOf.get(message.email) ?? email, email);
      emailOf.set(message.email, email);
      emails.add(message.email);
    }
    const count = (name: string) => [...held.values()].filter((message) => message.flags.has(name)).length;
    assert.deepEqual(
      [info.messages, info.unseen, info.deleted],
      [held.size, held.size - count('\\Seen'), count('\\Deleted')],
    );
  }
  assert.equal(new Set(emailOf.values()).size, emails.size);
  assert.equal((await account.quota()).messagesUsed, emails.size);
}

/** All that can be asked of an account, to compare two views of it. */
async function stateOf(account: AccountPort): Promise<unknown> {
  const list = await account.listMailboxes();
  const columns = [];
  for (const { id, selectable } of list.mailboxes)
    if (selectable) columns.push(await account.columns(id, undefined));
  return {
    list: { ...list, subscriptions: [...list.subscriptions].sort() },
    columns,
    quota: await account.quota(),
  };
}

for (const [kind, withEngine] of testEngines) {
  const numRuns = kind === 'memory' ? 60 : 8;
  const limits = { tombstonesInMemoryMax: 3, messagesPerCommit: 1000 };

  test(`any mutations give what the model gives, and sessions follow (${kind})`, () =>
    withEngine(async (engine) => {
      const { hosts } = await openTestHosts({ engine, limits, create: false });
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 20 }),
          async (groups) => {
            await hosts.create(testAccountId);
            const account = await hosts.open(testAccountId);
            const ids = await mailboxIds(account);
            const model = new Model();
            const sessions = Array.from({ length: sessionCount }, () => new Session());
            for (const group of groups) {
              // A group's mutations are given at once: they are decided in this order, in one commit or several.
              await Promise.all(group.map((given) => perform(account, ids, given)));
              for (const given of group) model.apply(given);
              for (const given of group) {
                if (given.type === 'sync') await sessions[given.session]!.follow(account, ids);
                if (given.type === 'unload') await unload(hosts);
              }
            }
            await checkModel(account, ids, model);
            for (const session of sessions) {
              await session.follow(account, ids);
              for (const [index, view] of session.views.entries()) {
                const expected = new Map(
                  [...model.boxes[index]!.messages].map(([uid, message]) => [uid, named(message.flags)]),
                );
                assert.deepEqual(new Map([...view].sort(([a], [b]) => a - b)), expected);
              }
            }
            await unload(hosts);
            await checkModel(account, ids, model);
            await hosts.remove(testAccountId);
          },
        ),
        { numRuns },
      );
      await hosts.close();
    }));

  test(`an engine that fails leaves memory equal to a reload, and nothing acknowledged is lost (${kind})`, () =>
    withEngine(async (engine) => {
      const fault = fc.constantFrom<CommitFault>(
        undefined,
        undefined,
        undefined,
        'rejected',
        'unknownApplied',
        'unknownDropped',
        'storageFull',
      );
      const groups = fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 15 });
      await fc.assert(
        fc.asyncProperty(
          groups,
          fc.array(fault, { minLength: 1, maxLength: 20 }),
          fc.constantFrom(2, 1000),
          async (given, faults, messagesPerCommit) => {
            await runWithFaults(engine, given, { faults, messagesPerCommit });
          },
        ),
        { numRuns },
      );
    }));
}

async function runWithFaults(
  engine: Engine,
  groups: readonly (readonly Step[])[],
  { faults, messagesPerCommit }: { faults: readonly CommitFault[]; messagesPerCommit: number },
): Promise<void> {
  let turn = 0;
  let failing = false;
  const broken = failingEngine(
    engine,
    () => (failing ? faults[turn++ % faults.length] : undefined),
    () => new MailError('storageFull', 'injected'),
  );
  const blobs = openMemoryBlobStore(engine);
  const limits = { messagesPerCommit };
  const { hosts } = await openTestHosts({ engine: broken, blobs, limits });
  const account = await hosts.open(testAccountId);
  const ids = await mailboxIds(account);
  const session = new Session();
  const acknowledged = new Set<string>();
  const mayBeGone = new Set<string>();
  failing = true;
  for (const group of groups) {
    const outcomes = await Promise.allSettled(group.map((given) => perform(account, ids, given)));
    for (const [index, outcome] of outcomes.entries()) {
      const given = group[index]!;
      if (given.type === 'append' && outcome.status === 'fulfilled') {
        for (const uid of (outcome.value as { uids: Uint32Array }).uids) {
          assert.ok(!acknowledged.has(`${given.box}/${uid}`), 'a uid was given twice');
          acknowledged.add(`${given.box}/${uid}`);
        }
      }
      if (given.type === 'expunge' || (given.type === 'copy' && given.move)) {
        for (let uid = 1; uid < 100; uid++) mayBeGone.add(`${given.box}/${uid}`);
      }
    }
  }
  failing = false;
  // A change that does nothing else than making sure that leftovers of staged copies are gone.
  await account.setQuota({ operation: newOperation(), bytesMax: undefined, messagesMax: undefined });
  await (await hosts.host(testAccountId)).settled();
  const state = await stateOf(account);
  await session.follow(account, ids);
  const fresh = await openTestHosts({ engine, blobs, limits, create: false });
  const reloaded = await fresh.hosts.open(testAccountId);
  assert.deepEqual(await stateOf(reloaded), state);
  for (const [index, id] of ids.entries()) {
    const { uids } = await reloaded.columns(id, undefined);
    assert.deepEqual([...session.views[index]!.keys()], [...uids]);
    for (const one of acknowledged) {
      const [boxIndex, uid] = one.split('/').map(Number);
      if (boxIndex === index && !mayBeGone.has(one)) assert.ok(uids.includes(uid!), `${one} is lost`);
    }
    for (const { bytes } of await reloaded.readMessages(id, uids, 1e7)) assert.ok(bytes !== undefined);
  }
  await fresh.hosts.remove(testAccountId);
  await hosts.close();
  await fresh.hosts.close();
}
