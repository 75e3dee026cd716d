import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../base/clock.ts';
import type { AccountId } from '../mail/ids.ts';
import type { Engine } from '../storage/engine.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import type { InternalDirectory } from './internal-directory.ts';
import { keys } from './rows.ts';
import { fromHere, manualClock, openTestDirectory } from './testing.ts';

const name = 'example.test';

async function addAccounts(directory: InternalDirectory, count: number, domain = name): Promise<AccountId[]> {
  const addresses = Array.from({ length: count }, (_, at) => `user${String(at).padStart(4, '0')}@${domain}`);
  const added = addresses.map((address) => directory.addAccount({ address, password: undefined }));
  return (await Promise.all(added)).map(({ id }) => id);
}

async function notes(engine: Engine): Promise<number> {
  const limits = { entriesMax: 1_000, bytesMax: 1024 * 1024 };
  const pages = [keys.endings(), keys.endingDomains()].map((range) => engine.page(range, limits));
  return (await Promise.all(pages)).reduce((sum, { entries }) => sum + entries.length, 0);
}

function loginAs(directory: InternalDirectory, user: string) {
  return directory.verifyPassword({ user, password: 'secret', authorizationId: '' }, fromHere);
}

/** Timers are run by hand. */
function steppedClock() {
  const timers = new Set<{ readonly delayMs: number; readonly callback: () => void }>();
  const after: Clock['after'] = (delayMs, callback) => {
    const timer = { delayMs, callback };
    timers.add(timer);
    return { cancel: () => timers.delete(timer) };
  };
  /** Gives the delay of the only timer there is. */
  const step = (): number => {
    const [timer, ...others] = timers;
    assert.ok(timer !== undefined && others.length === 0);
    timers.delete(timer);
    timer.callback();
    return timer.delayMs;
  };
  return { clock: { ...manualClock(), after }, timers, step };
}

test('sessions that nobody was told to end are told of at the next start, once', async () => {
  const heard: string[] = [];
  let fails = true;
  const hear = async (what: string): Promise<void> => {
    heard.push(what);
    if (fails) throw new Error('nobody is there');
  };
  const hooks = {
    onSessionsEnded: (id: string) => hear(`ended ${id}`),
    onAccountChanged: () => hear('changed'),
  };
  const { directory, engine } = await openTestDirectory({ hooks });
  const [a, b, c] = await Promise.all(
    ['a', 'b', 'c'].map((local) =>
      directory.addAccount({ address: `${local}@example.test`, password: 'the first' }),
    ),
  );
  await directory.setPassword(a!.id, 'the second');
  await directory.setAccount(b!.id, { enabled: false });
  await directory.setAccount(b!.id, { enabled: true });
  await directory.setAccount(c!.id, { fullName: 'no reason to end any' });
  await directory[Symbol.asyncDispose]();
  fails = false;
  const start = async () => {
    const started = await openTestDirectory({ hooks }, engine);
    await started.directory.settled();
    return started.directory;
  };
  await start();
  const last = await start();
  const told = [a, b].map((account) => `ended ${account!.id}`).sort();
  assert.deepEqual(heard.slice(4).sort(), told);
  await last.setPassword(a!.id, 'the third');
  await start();
  assert.equal(heard.length, 7);
});

test('what cannot be told is told again while the process lives, less and less often, until it succeeds or is closed', async () => {
  let fails = true;
  const told: AccountId[] = [];
  const onSessionsEnded = async (id: AccountId): Promise<void> => {
    told.push(id);
    if (fails) throw new Error('nobody is there');
  };
  const { clock, timers, step } = steppedClock();
  const hooks = { onSessionsEnded };
  const { directory, engine } = await openTestDirectory({ hooks }, openMemoryEngine(), clock);
  const ids = await addAccounts(directory, 2);
  for (const id of ids) await directory.setPassword(id, 'the second');
  const pauses: number[] = [];
  for (let round = 0; round < 12; round++) {
    pauses.push(step());
    await directory.settled();
  }
  assert.deepEqual(pauses.slice(0, 4), [1_000, 2_000, 4_000, 8_000]);
  assert.deepEqual(pauses.slice(-2), [300_000, 300_000]);
  assert.equal(told.length, 2 + 12 * 2);
  fails = false;
  step();
  await directory.settled();
  assert.deepEqual([timers.size, await notes(engine)], [0, 0]);
  assert.deepEqual(new Set(told.slice(-2)), new Set(ids));
  // The next failure begins anew.
  fails = true;
  await directory.setPassword(ids[0]!, 'the third');
  assert.equal([...timers][0]?.delayMs, 1_000);
  await directory[Symbol.asyncDispose]();
  assert.deepEqual([timers.size, await notes(engine)], [0, 1]);
});

test('a domain that is disabled: the answer waits for nobody, a few accounts are told at once, all of them once', async () => {
  const told: AccountId[] = [];
  let gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  let under = 0;
  let underMax = 0;
  const onSessionsEnded = async (id: AccountId): Promise<void> => {
    told.push(id);
    if (told.length === 350) begun.resolve();
    underMax = Math.max(underMax, ++under);
    await gate.promise;
    under--;
  };
  const { directory, engine } = await openTestDirectory({ hooks: { onSessionsEnded } });
  await directory.addDomain({ name: 'other.test' });
  const ids = await addAccounts(directory, 250);
  const [other] = await addAccounts(directory, 1, 'other.test');
  const before = await directory.sessionEpoch(ids[0]!, 'imap');
  const elsewhere = await directory.sessionEpoch(other!, 'imap');
  assert.equal((await directory.setDomain(name, { enabled: false })).enabled, false);
  assert.equal(await directory.sessionEpoch(ids[0]!, 'imap'), undefined);
  gate.resolve();
  await directory.settled();
  assert.deepEqual([told.length, new Set(told)], [250, new Set(ids)]);
  assert.ok(underMax <= 100, `${underMax} at once`);
  assert.equal(await notes(engine), 0);
  assert.equal(await directory.sessionEpoch(other!, 'imap'), elsewhere);

  await directory.setDomain(name, { enabled: true });
  const after = await directory.sessionEpoch(ids[0]!, 'imap');
  assert.ok(after !== undefined && after !== before);
  await directory.setDomain(name, { description: 'no reason to end any' });
  await directory.settled();
  assert.deepEqual([told.length, await directory.sessionEpoch(ids[0]!, 'imap', true)], [250, after]);

  // Disabled anew while the first hundred are being told: they are told again.
  gate = Promise.withResolvers<void>();
  await directory.setDomain(name, { enabled: false });
  await begun.promise;
  await directory.setDomain(name, { enabled: true });
  await directory.setDomain(name, { enabled: false });
  gate.resolve();
  await directory.settled();
  assert.equal(await notes(engine), 0);
  assert.deepEqual([told.length, new Set(told.slice(-250))], [600, new Set(ids)]);
});

test('a server that dies between a domain’s disabling and its telling: the next one tells those that are left', async () => {
  const told: AccountId[] = [];
  const never = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  const dies = async (id: AccountId): Promise<void> => {
    told.push(id);
    if (told.length === 200) second.resolve();
    if (told.length > 100) await never.promise;
  };
  const { directory, engine } = await openTestDirectory({ hooks: { onSessionsEnded: dies } });
  const ids = await addAccounts(directory, 250);
  await directory.setDomain(name, { enabled: false });
  // The first hundred have been told and noted, the next ones hang.
  await second.promise;
  await directory[Symbol.asyncDispose]();
  assert.equal(await notes(engine), 1);
  const later: AccountId[] = [];
  const hooks = { onSessionsEnded: async (id: AccountId) => void later.push(id) };
  const { directory: next } = await openTestDirectory({ hooks }, engine);
  await next.settled();
  assert.deepEqual(new Set(later), new Set(ids.filter((id) => !told.slice(0, 100).includes(id))));
  assert.deepEqual([later.length, await notes(engine)], [150, 0]);
});

test('an account of a disabled domain that cannot be told is told again, without the others', async () => {
  const { clock, timers, step } = steppedClock();
  const told: AccountId[] = [];
  let unreachable: AccountId | undefined;
  const onSessionsEnded = async (id: AccountId): Promise<void> => {
    told.push(id);
    if (id === unreachable) throw new Error('nobody hosts it');
  };
  const hooks = { onSessionsEnded };
  const { directory, engine } = await openTestDirectory({ hooks }, openMemoryEngine(), clock);
  const ids = await addAccounts(directory, 120);
  unreachable = ids[7];
  await directory.setDomain(name, { enabled: false });
  await directory.settled();
  assert.deepEqual([told.length, await notes(engine), timers.size], [120, 1, 1]);
  unreachable = undefined;
  step();
  await directory.settled();
  assert.deepEqual([told.slice(120), await notes(engine), timers.size], [[ids[7]], 0, 0]);
});

test('an account that leaves its domain leaves its sessions; its own domain decides whether it may log in', async () => {
  const told: string[] = [];
  const hooks = { onAccountChanged: async ({ id }: { id: AccountId }) => void told.push(id) };
  const { directory, engine } = await openTestDirectory({ hooks });
  await directory.addDomain({ name: 'other.test' });
  const alice = { address: `alice@${name}`, addresses: ['alice@other.test'], password: 'secret' };
  const { id } = await directory.addAccount(alice);
  const { sessionEpoch } = await loginAs(directory, 'alice@other.test');
  assert.equal(await directory.sessionEpoch(id, 'imap'), sessionEpoch);
  await directory.setDomain(name, { enabled: false });
  await assert.rejects(loginAs(directory, 'alice@other.test'), { kind: 'authenticationFailed' });
  await directory.setAccount(id, { address: 'alice@other.test', addresses: [] });
  assert.deepEqual(told, [id]);
  const moved = await loginAs(directory, 'alice@other.test');
  assert.notEqual(moved.sessionEpoch, sessionEpoch);
  await directory.settled();
  await directory.removeDomain(name);
  assert.equal(await notes(engine), 0);
});

test('another name of a domain that is disabled or removed refuses logins, and ends no session: the account may do what it might', async () => {
  const told: string[] = [];
  const onSessionsEnded = async (id: AccountId): Promise<void> => void told.push(id);
  const { directory, engine } = await openTestDirectory({ hooks: { onSessionsEnded } });
  const { id } = await directory.addAccount({ address: `alice@${name}`, password: 'secret' });
  const other = 'alice@other.test';
  const address = { localPart: 'alice', domain: 'other.test' };
  await directory.addDomain({ name: 'other.test', aliasOf: name });
  const { sessionEpoch } = await loginAs(directory, other);
  assert.equal(await directory.ownsAddress(id, address), true);
  await directory.setDomain('other.test', { enabled: false });
  await directory.setDomain('other.test', { enabled: true });
  assert.equal((await loginAs(directory, other)).sessionEpoch, sessionEpoch);
  const endings = [
    () => directory.setDomain('other.test', { enabled: false }),
    () => directory.removeDomain('other.test'),
  ];
  for (const happens of endings) {
    await happens();
    await directory.settled();
    await assert.rejects(loginAs(directory, other), { kind: 'authenticationFailed' });
    assert.equal(await directory.ownsAddress(id, address), false);
    assert.equal(await directory.sessionEpoch(id, 'imap', true), sessionEpoch);
    assert.equal((await loginAs(directory, `alice@${name}`)).sessionEpoch, sessionEpoch);
    assert.deepEqual([told, await notes(engine)], [[], 0]);
  }
  // Its own domain ends what began under whichever name.
  await directory.addDomain({ name: 'other.test', aliasOf: name });
  assert.equal((await loginAs(directory, other)).sessionEpoch, sessionEpoch);
  await directory.setDomain(name, { enabled: false });
  await directory.settled();
  assert.deepEqual([told, await directory.sessionEpoch(id, 'imap')], [[id], undefined]);
  await assert.rejects(loginAs(directory, other), { kind: 'authenticationFailed' });
});
