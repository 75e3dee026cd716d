// The places of keywords: a full table takes new names for those that no message has, in the commit that needs them, and
// refuses one only when all are in use.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { everyFlag, flagNames, keywordsMax } from '../../mail/flags.ts';
import type { MailboxId, ModSeq } from '../../mail/ids.ts';
import type { AccountPort, StoredFlags, StoreFlagsOptions } from '../port.ts';
import { storeFlagsInChunks } from '../reading/changes-in-chunks.ts';
import { newMessage, newOperation, storeCheckFindings, testAccountId, unloadAccount } from '../testing.ts';
import { append, flagsOf, onEngines, refusedWith } from '../testing-engines.ts';
import { FlagTranslation, forgetRenamed, KeywordPlaces, resolveFlags } from './keyword-table.ts';
import { pageUids } from './message-page.ts';

const inboxTarget = { role: 'inbox' } as const;
const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);
const full = names('old', keywordsMax);
const none = { low: 0, high: 0 };

test('a full table takes the first place that is not in use, and looks once', () => {
  let asked = 0;
  const inUse = () => {
    asked++;
    // All but old3, old40 and old58.
    return { low: ~(1 << 8) >>> 0, high: ~((1 << 13) | (1 << 31)) >>> 0 };
  };
  const places = new KeywordPlaces(full, inUse);
  assert.deepEqual(resolveFlags(['OLD4', '\\Seen'], places, true), { low: 8 + (1 << 9), high: 0 });
  assert.equal(asked, 0);
  assert.equal(places.keywords, full);
  assert.deepEqual(resolveFlags(['new', 'New'], places, true), { low: 1 << 8, high: 0 });
  assert.deepEqual(places.take('newer'), { low: 0, high: 1 << 13 });
  // What was asked for is in use, though no message has it yet.
  assert.deepEqual(places.take('old58'), { low: 0, high: 0x8000_0000 });
  assert.throws(() => resolveFlags(['newest'], places, true), refusedWith('tooManyKeywords'));
  assert.deepEqual(resolveFlags(['newest', 'old3', 'old5'], places, false), { low: 1 << 10, high: 0 });
  assert.equal(asked, 1);
  assert.deepEqual(places.keywords, full.with(3, 'new').with(40, 'newer'));
});

test('a name that lost its place to another of the same change finds one, or all is refused', () => {
  const inUse = { low: ~((1 << 5) | (1 << 6)) >>> 0, high: everyFlag.high };
  const places = new KeywordPlaces(full, () => inUse);
  const bits = resolveFlags(['new', 'old0'], places, true);
  assert.deepEqual(flagNames(bits.low, bits.high, places.keywords).sort(), ['new', 'old0']);
  const again = new KeywordPlaces(full, () => inUse);
  assert.throws(() => resolveFlags(['new', 'newer', 'old0'], again, true), refusedWith('tooManyKeywords'));
});

test('flags carried into a full table take the places of what nobody has', () => {
  const places = new KeywordPlaces(full, () => ({ low: ~(1 << 7) >>> 0, high: everyFlag.high }));
  const translation = new FlagTranslation(['a', 'old9', 'b'], places, everyFlag);
  const carried = translation.translate((1 << 5) | (1 << 6) | (1 << 7), 0);
  // There is room for one; the other is left behind.
  assert.deepEqual(flagNames(carried.low, carried.high, places.keywords), ['a', 'old9']);
  assert.deepEqual(translation.translate(1 << 5, 0), { low: 1 << 7, high: 0 });
});

test('flags of before forget what lost its name, and nothing else', () => {
  const flagsLow = Uint32Array.of(everyFlag.low, 0);
  const flagsHigh = Uint32Array.of(everyFlag.high, 0);
  forgetRenamed({ flagsLow, flagsHigh }, full, [...full.with(0, 'a').with(26, 'b').with(27, 'c')]);
  const lost = ['old0', 'old26', 'old27'];
  assert.deepEqual(
    flagNames(flagsLow[0]!, flagsHigh[0]!, full).filter((name) => name.startsWith('old')),
    full.filter((name) => !lost.includes(name)),
  );
  assert.equal(flagsLow[0]! & 31, 31);
  const low = Uint32Array.of(7 << 5);
  forgetRenamed({ flagsLow: low, flagsHigh: Uint32Array.of(0) }, ['a', 'b', 'c'], ['a', 'b']);
  assert.equal(low[0], 3 << 5);
  assert.deepEqual(new KeywordPlaces([], () => none).keywords, []);
});

function store(
  account: AccountPort,
  mailboxId: MailboxId,
  mode: StoreFlagsOptions['mode'],
  flags: readonly string[],
  uids = [1],
): Promise<StoredFlags> {
  const given = { operation: newOperation(), mailboxId, uids: Uint32Array.from(uids), mode, flags };
  return account.storeFlags({ ...given, unchangedSince: undefined });
}

/** 59 names of which no message has any; message 1 has \Seen. */
async function fillTable(account: AccountPort, inbox: MailboxId): Promise<void> {
  await append(account, inboxTarget, full);
  await store(account, inbox, 'replace', ['\\Seen']);
}

onEngines('places of keywords that nobody has are for new ones', async (fixture) => {
  const { account, inbox, hosts } = fixture;
  await fillTable(account, inbox);
  await append(account, inboxTarget);
  await store(account, inbox, 'add', ['old1', 'old45'], [2]);
  const { modSeq } = await account.changesSince(inbox, 0 as ModSeq);
  const stored = await store(account, inbox, 'add', ['new', 'OLD2']);
  assert.deepEqual(stored.keywords, full.with(0, 'new'));
  assert.deepEqual(await flagsOf(account, inbox), { 1: '\\Seen new old2', 2: 'old1 old45' });
  // A keyword that nobody gets after all takes nobody's place.
  await store(account, inbox, 'add', ['nobody'], [9]);
  const changes = await account.changesSince(inbox, modSeq);
  assert.deepEqual([[...changes.changed.uids], changes.keywords], [[1], full.with(0, 'new')]);
  // 55 places are left: in one change all of them can be had, and then none.
  const many = names('many', 55);
  await assert.rejects(store(account, inbox, 'add', [...many, 'more']), refusedWith('tooManyKeywords'));
  await store(account, inbox, 'add', many, [2]);
  await assert.rejects(append(account, inboxTarget, ['more']), refusedWith('tooManyKeywords'));
  const expected = { 1: '\\Seen new old2', 2: ['old1', 'old45', ...many] };
  const sorted = (flags: string) => flags.split(' ').sort();
  await unloadAccount(hosts);
  const after = await flagsOf(account, inbox);
  assert.deepEqual({ ...after, 2: sorted(after[2]!) }, { ...expected, 2: expected[2].sort() });
  assert.deepEqual(await storeCheckFindings(fixture, false), []);
  // What was expunged is not in use.
  await account.expunge({
    operation: newOperation(),
    mailboxId: inbox,
    uids: Uint32Array.of(2),
    anyFlags: true,
  });
  await store(account, inbox, 'add', names('last', 57));
  assert.equal((await flagsOf(account, inbox))[1]!.split(' ').length, 60);
});

onEngines('an append to a mailbox that is not in memory looks for places, too', async (fixture) => {
  const { account, inbox, hosts } = fixture;
  await fillTable(account, inbox);
  await store(account, inbox, 'add', full.slice(2));
  await unloadAccount(hosts);
  const messages = [['\\Recent', 'a'], ['old5', 'b'], ['A']].map((flags) => newMessage(undefined, flags));
  await account.append({ operation: newOperation(), target: inboxTarget, messages });
  const { 1: first, ...rest } = await flagsOf(account, inbox);
  assert.deepEqual(first!.split(' '), ['\\Seen', ...full.slice(2)]);
  assert.deepEqual(rest, { 2: 'a', 3: 'b old5', 4: 'a' });
  await unloadAccount(hosts);
  const appended = account.append({
    operation: newOperation(),
    target: inboxTarget,
    messages: [newMessage(undefined, ['c'])],
  });
  await assert.rejects(appended, refusedWith('tooManyKeywords'));
  assert.deepEqual((await account.findMailbox({ id: inbox }))!.keywords, full.with(0, 'a').with(1, 'b'));
});

onEngines('changes of one commit see each other’s keywords', async ({ account, inbox }) => {
  await fillTable(account, inbox);
  await append(account, inboxTarget, full.slice(1));
  const three: Promise<unknown>[] = [
    append(account, inboxTarget, ['second']),
    store(account, inbox, 'remove', ['old7'], [2]),
    store(account, inbox, 'replace', ['first']),
  ];
  await Promise.all(three);
  await assert.rejects(store(account, inbox, 'add', ['third']), refusedWith('tooManyKeywords'));
  const told = await flagsOf(account, inbox);
  assert.deepEqual([told[1], told[3]], ['first', 'second']);
  await Promise.all([
    account.expunge({ operation: newOperation(), mailboxId: inbox, uids: Uint32Array.of(3), anyFlags: true }),
    store(account, inbox, 'add', ['third']),
  ]);
  assert.deepEqual((await flagsOf(account, inbox))[1]!.split(' ').sort(), ['first', 'third']);
});

onEngines(
  'copies, also those written ahead, take places in the target by name',
  async ({ account, inbox }) => {
    const archive = (await account.findMailbox({ role: 'archive' }))!.id;
    await append(account, { id: archive }, full);
    await store(account, archive, 'replace', ['old30']);
    for (let index = 0; index < 7; index++) await append(account, inboxTarget, [`k${index % 2}`, 'old30']);
    const uids = Uint32Array.of(1, 2, 3, 4, 5, 6, 7);
    const to = { id: archive };
    await account.copy({ operation: newOperation(), from: inbox, uids, to, move: false });
    await account.copy({ operation: newOperation(), from: inbox, uids, to, move: true });
    const copies = Object.fromEntries(
      Array.from({ length: 14 }, (_, at) => [at + 2, `k${(at % 7) % 2} old30`]),
    );
    assert.deepEqual(await flagsOf(account, archive), { 1: 'old30', ...copies });
    assert.deepEqual(
      (await account.findMailbox({ id: archive }))!.keywords,
      full.with(0, 'k0').with(1, 'k1'),
    );
  },
  { messagesPerCommit: 3 },
);

onEngines(
  'flags of many messages changed in several commits are told with names of one moment',
  async ({ account, inbox, hosts }) => {
    await fillTable(account, inbox);
    // A commit ends where a page does.
    const messages = Array.from({ length: pageUids }, () => newMessage());
    const appended = await account.append({ operation: newOperation(), target: inboxTarget, messages });
    const other = appended.uids.at(-1)!;
    await store(account, inbox, 'add', ['old0'], [1]);
    const host = await hosts.host(testAccountId);
    let parts = 0;
    const stored = await storeFlagsInChunks(
      {
        messagesPerCommit: 1,
        async submit(mutation) {
          if (++parts === 2) {
            await store(account, inbox, 'remove', ['old0'], [1]);
            await store(account, inbox, 'add', ['thief'], [other]);
          }
          return host.writer.submit(mutation);
        },
      },
      {
        operation: newOperation(),
        mailboxId: inbox,
        uids: Uint32Array.of(1, other),
        mode: 'add',
        flags: ['\\Flagged'],
        unchangedSince: undefined,
      },
      undefined,
    );
    const { uids, flagsLow, flagsHigh } = stored.messages;
    assert.deepEqual(
      [...uids].map((uid, at) => [uid, flagNames(flagsLow[at]!, flagsHigh[at]!, stored.keywords)]),
      [
        [1, ['\\Flagged', '\\Seen']],
        [other, ['\\Flagged', 'thief']],
      ],
    );
  },
);
