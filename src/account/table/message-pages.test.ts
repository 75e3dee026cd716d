// Messages in pages and rows: whatever is done to mailboxes, memory knows what the engine holds of each message and where,
// a reload gives the same, and pages keep their invariants. Stores that have rows alone open and are packed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../base/clock.ts';
import type { MailboxId } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import type { Bytes, Engine } from '../../storage/engine.ts';
import { decodeTuple, tuplePrefixRange } from '../../storage/tuple.ts';
import type { AccountHosts } from '../account-hosts.ts';
import type { AccountState } from '../account-state.ts';
import { internalMutation } from '../mutations/mutation.ts';
import type { AccountPort } from '../port.ts';
import { AccountKeys } from '../records/account-keys.ts';
import { encodeMessageRow } from '../records/message-row.ts';
import {
  failingEngine,
  newMessage,
  newOperation,
  openTestHosts,
  testAccountId,
  unloadAccount,
} from '../testing.ts';
import { onEngines } from '../testing-engines.ts';
import { readTable } from './load-table.ts';
import { rowOf } from './message-columns.ts';
import { inPage, inRow, MessagePage, pageUids } from './message-page.ts';
import type { MessageTable } from './message-table.ts';

const keys = new AccountKeys(testAccountId);
const one = newMessage();

/** Uids of a mailbox: a run, of which every so many are taken. */
const picked = fc.record({
  from: fc.nat(400),
  count: fc.integer({ min: 1, max: 300 }),
  step: fc.constantFrom(1, 1, 2, 9, 40),
});
const box = fc.nat(1);
type Step =
  | { readonly type: 'append'; readonly box: number; readonly count: number }
  | { readonly type: 'flags'; readonly box: number; readonly picked: Picked; readonly add: boolean }
  | { readonly type: 'expunge'; readonly box: number; readonly picked: Picked }
  | { readonly type: 'copy'; readonly box: number; readonly picked: Picked; readonly move: boolean }
  | { readonly type: 'settle' }
  | { readonly type: 'unload' };
interface Picked {
  readonly from: number;
  readonly count: number;
  readonly step: number;
}
const count = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 14, max: 200 }));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('append' as const), box, count }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('flags' as const), box, picked, add: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('expunge' as const), box, picked }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('copy' as const), box, picked, move: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('settle' as const, 'unload' as const) }) },
);

/** Uid to whether it is flagged. */
type Model = Map<number, boolean>[];

function pick(model: ReadonlyMap<number, boolean>, { from, count: most, step: each }: Picked): Uint32Array {
  const uids = [...model.keys()];
  return Uint32Array.from(
    uids
      .slice(from % Math.max(1, uids.length))
      .slice(0, most)
      .filter((_, at) => at % each === 0),
  );
}

class Fixture {
  readonly model: Model = [new Map(), new Map()];
  readonly uidNext = [1, 1];
  readonly hosts: AccountHosts;
  readonly engine: Engine;
  ids: readonly MailboxId[] = [];

  constructor(hosts: AccountHosts, engine: Engine) {
    this.hosts = hosts;
    this.engine = engine;
  }

  async open(): Promise<AccountPort> {
    const account = await this.hosts.open(testAccountId);
    this.ids = (await account.listMailboxes()).mailboxes.slice(0, 2).map(({ id }) => id);
    return account;
  }

  async perform(account: AccountPort, given: Step): Promise<void> {
    const operation = newOperation();
    if (given.type === 'settle' || given.type === 'unload') {
      const host = await this.hosts.host(testAccountId);
      await host.settled();
      if (given.type === 'unload') await unloadAccount(this.hosts);
      return;
    }
    const model = this.model[given.box]!;
    const id = this.ids[given.box]!;
    if (given.type === 'append') {
      // One by one, at once: they share commits as deliveries do.
      await Promise.all(
        Array.from({ length: given.count }, () =>
          account.append({ operation: newOperation(), target: { id }, messages: [one] }),
        ),
      );
      for (let added = 0; added < given.count; added++) this.#add(given.box, false);
      return;
    }
    const uids = pick(model, given.picked);
    if (given.type === 'flags') {
      const mode = given.add ? 'add' : 'remove';
      await account.storeFlags({
        operation,
        mailboxId: id,
        uids,
        mode,
        flags: ['\\Flagged'],
        unchangedSince: undefined,
      });
      for (const uid of uids) model.set(uid, given.add);
    } else if (given.type === 'expunge') {
      await account.expunge({ operation, mailboxId: id, uids, anyFlags: true });
      for (const uid of uids) model.delete(uid);
    } else {
      const to = 1 - given.box;
      await account.copy({ operation, from: id, uids, to: { id: this.ids[to]! }, move: given.move });
      for (const uid of uids) this.#add(to, model.get(uid)!);
      if (given.move) for (const uid of uids) model.delete(uid);
    }
  }

  #add(index: number, flagged: boolean): void {
    this.model[index]!.set(this.uidNext[index]!++, flagged);
  }

  /** The engine holds the model, by rows and pages that keep the rules; memory, where it is loaded, is equal to it. */
  async check(): Promise<void> {
    const { writer } = await this.hosts.host(testAccountId);
    // Alone, so that nothing is packed meanwhile.
    await writer.submit({ ...internalMutation('check', () => this.#check(writer.state!)), exclusive: true });
  }

  async #check(state: AccountState): Promise<void> {
    for (const [index, id] of this.ids.entries()) {
      const table = await this.#stored(id, this.uidNext[index]!);
      assert.deepEqual(flagged(table), [...this.model[index]!]);
      await this.#checkPages(id, table);
      const mailbox = state.mailboxes.get(id)!;
      assert.equal(mailbox.record.messages, table.length);
      if (mailbox.table === undefined) continue;
      assert.deepEqual(mailbox.table.all(), table.all());
      const places = ({ columns, length }: MessageTable) => [...columns.places.subarray(0, length)];
      assert.deepEqual(places(mailbox.table), places(table));
    }
  }

  #stored(mailboxId: number, uidEnd: number): Promise<MessageTable> {
    return readTable({ keys, mailboxId, uidEnd }, { engine: this.engine, clock: systemClock, messages: 0 });
  }

  async #checkPages(mailboxId: MailboxId, table: MessageTable): Promise<void> {
    const page = new MessagePage();
    let entries = 0;
    for (const { key, value } of await everyRow(this.engine, 'p', mailboxId)) {
      page.load(decodeTuple(key)[4] as number, value);
      for (let at = 0; at < page.length; at++) {
        const index = table.indexOf(page.uids[at]!);
        assert.ok(index >= 0, `message ${page.uids[at]} is gone, and still in its page`);
        assert.equal(table.columns.emailIds[index], page.emailIds[at]);
      }
      entries += page.length;
    }
    const { places } = table.columns;
    assert.equal(places.subarray(0, table.length).filter((place) => (place & inPage) !== 0).length, entries);
    const rows = await everyRow(this.engine, 'm', mailboxId);
    assert.equal(
      places.subarray(0, table.length).filter((place) => (place & inRow) !== 0).length,
      rows.length,
    );
  }
}

function isPageKey(key: Bytes): boolean {
  const { start, prefixLength } = keys.rows('p');
  return Buffer.compare(key.subarray(0, prefixLength), start) === 0;
}

function flagged(table: MessageTable): [number, boolean][] {
  const { uids, flagsLow } = table.columns;
  return [...uids.subarray(0, table.length)].map((uid, index) => [uid, flagsLow[index] !== 0]);
}

async function everyRow(
  engine: Engine,
  letter: 'm' | 'p',
  mailboxId: number,
): Promise<readonly { key: Bytes; value: Bytes }[]> {
  const range = tuplePrefixRange(['a', testAccountId, letter, mailboxId]);
  return (await engine.page(range, { entriesMax: 100_000, bytesMax: 1e9 })).entries;
}

test('any changes leave memory, rows and pages in agreement', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 3, maxLength: 25 }),
      fc.constantFrom(50, 1000),
      async (steps, messagesPerCommit) => {
        const { hosts, engine } = await openTestHosts({ limits: { messagesPerCommit } });
        const fixture = new Fixture(hosts, engine);
        const account = await fixture.open();
        for (const given of steps) {
          await fixture.perform(account, given);
          await fixture.check();
        }
        await (await hosts.host(testAccountId)).settled();
        await fixture.check();
        await hosts.close();
      },
    ),
    { numRuns: 40 },
  );
});

onEngines(
  'deliveries are packed page by page, with and without the columns in memory',
  async ({ hosts, engine, account }) => {
    const fixture = new Fixture(hosts, engine);
    await fixture.open();
    const host = await hosts.host(testAccountId);
    const deliver = async (times: number): Promise<void> => {
      for (let time = 0; time < times; time++)
        await fixture.perform(account, { type: 'append', box: 0, count: 1 });
    };
    const stored = async (): Promise<number[]> => {
      await host.settled();
      const pages = await everyRow(engine, 'p', fixture.ids[0]!);
      return [pages.length, (await everyRow(engine, 'm', fixture.ids[0]!)).length];
    };
    await deliver(pageUids + 9);
    assert.equal(host.writer.state!.mailboxes.get(fixture.ids[0]!)!.table, undefined);
    assert.deepEqual(await stored(), [1, 10]);
    await account.openMailbox({ id: fixture.ids[0]! }, { claimRecent: false });
    await deliver(pageUids);
    assert.deepEqual(await stored(), [2, 10]);
    await fixture.check();
  },
);

onEngines('a page goes with the last of its messages', async ({ hosts, engine, account }) => {
  const fixture = new Fixture(hosts, engine);
  await fixture.open();
  const [id] = fixture.ids;
  await fixture.perform(account, { type: 'append', box: 0, count: 40 });
  await fixture.perform(account, { type: 'expunge', box: 0, picked: { from: 1, count: 39, step: 1 } });
  await fixture.check();
  assert.equal((await everyRow(engine, 'p', id!)).length, 1);
  await fixture.perform(account, { type: 'expunge', box: 0, picked: { from: 0, count: 1, step: 1 } });
  await fixture.check();
  assert.equal((await everyRow(engine, 'p', id!)).length, 0);
});

onEngines('a mailbox that has rows alone opens, and is packed', async ({ hosts, engine, account }) => {
  const fixture = new Fixture(hosts, engine);
  await fixture.open();
  await fixture.perform(account, { type: 'append', box: 0, count: 700 });
  await fixture.perform(account, {
    type: 'flags',
    box: 0,
    picked: { from: 3, count: 300, step: 9 },
    add: true,
  });
  await fixture.perform(account, { type: 'unload' });
  const [id] = fixture.ids;
  const page = new MessagePage();
  for (const { key, value } of await everyRow(engine, 'p', id!)) {
    page.load(decodeTuple(key)[4] as number, value);
    const rows = Array.from({ length: page.length }, (_, at) => rowOf(page, at));
    const known = await engine.getMany(rows.map(({ uid }) => keys.message(id!, uid)));
    const puts = rows.map((row) => ({ key: keys.message(id!, row.uid), value: encodeMessageRow(row) }));
    await engine.commit({ deletes: [key], puts: puts.filter((_, at) => known[at] === undefined) });
  }
  assert.equal((await everyRow(engine, 'm', id!)).length, 700);
  await account.openMailbox({ id: id! }, { claimRecent: false });
  await fixture.check();
  await (await hosts.host(testAccountId)).settled();
  assert.equal((await everyRow(engine, 'p', id!)).length, 5);
  assert.equal((await everyRow(engine, 'm', id!)).length, 700 - 5 * pageUids + 1);
  await fixture.check();
});

test('flags of many messages are one commit of a few pages, and of single ones rows', async () => {
  const { engine, hosts: first, blobs } = await openTestHosts();
  await first.close();
  const rowsPut: number[] = [];
  const counting = failingEngine(
    engine,
    ({ puts }) => void rowsPut.push(puts?.length ?? 0),
    () => new Error('never'),
  );
  const { hosts } = await openTestHosts({ engine: counting, blobs, create: false });
  const fixture = new Fixture(hosts, engine);
  const account = await fixture.open();
  const messages = Array.from({ length: 1500 }, () => one);
  for (let time = 0; time < 2; time++)
    await account.append({ operation: newOperation(), target: { id: fixture.ids[0]! }, messages });
  await fixture.perform(account, { type: 'settle' });
  const stored = async (uids: Uint32Array): Promise<number[]> => {
    rowsPut.length = 0;
    await account.storeFlags({
      operation: newOperation(),
      mailboxId: fixture.ids[0]!,
      uids,
      mode: 'add',
      flags: ['\\Seen'],
      unchangedSince: undefined,
    });
    return [...rowsPut];
  };
  // Beside them the records of the account, the mailbox and the operation.
  assert.deepEqual(await stored(Uint32Array.of(7, 200)), [2 + 3]);
  assert.deepEqual(await stored(Uint32Array.from({ length: 3000 }, (_, index) => index + 1)), [24 + 3]);
  await hosts.close();
});

test('without room nothing is packed, and nothing is lost by it', async () => {
  const { engine, hosts: first, blobs } = await openTestHosts();
  await first.close();
  let refused = 0;
  const full = failingEngine(
    engine,
    ({ fromReserve, puts }) => {
      if (fromReserve === true || puts?.some(({ key }) => isPageKey(key)) !== true) return undefined;
      refused++;
      return 'storageFull';
    },
    () => new MailError('storageFull', 'injected'),
  );
  const { hosts } = await openTestHosts({ engine: full, blobs, create: false });
  const fixture = new Fixture(hosts, engine);
  const account = await fixture.open();
  for (let time = 0; time < 20; time++) await fixture.perform(account, { type: 'append', box: 0, count: 1 });
  for (let time = 0; time < 8; time++) await fixture.perform(account, { type: 'append', box: 0, count: 14 });
  await fixture.perform(account, { type: 'settle' });
  assert.equal(refused, 1);
  assert.equal((await everyRow(engine, 'p', fixture.ids[0]!)).length, 0);
  // Flags and expunges go on, in whatever form they are written.
  await fixture.perform(account, {
    type: 'flags',
    box: 0,
    picked: { from: 0, count: 132, step: 1 },
    add: true,
  });
  await fixture.perform(account, { type: 'expunge', box: 0, picked: { from: 5, count: 1, step: 1 } });
  await fixture.check();
  assert.ok((await everyRow(engine, 'p', fixture.ids[0]!)).length > 0);
  await hosts.close();
});
