// Session grants: what they are good for, and everything they are not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shardOf } from '../../account/shard.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import type { Service } from '../../directory/directory.ts';
import { openTestDirectory } from '../../directory/testing.ts';
import type { AccountId, Epoch, NodeId } from '../../mail/ids.ts';
import { isMailError, MailError } from '../../mail/mail-error.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import { HostedAccounts } from '../hosted-accounts.ts';
import { accountMethods } from '../remote-account-methods.ts';
import { GrantGate, grantLifeMs, sessionLifeMs } from './grant-gate.ts';
import { GrantKeeper } from './grant-keeper.ts';
import { GrantKeys, rotationMs } from './grant-keys.ts';
import { isScramNonce, makeScramNonce, scramNonceLifeMs } from './scram-nonce.ts';
import { mayCall } from './service-rights.ts';
import { openGrant, sealGrant } from './session-grant.ts';

const alice = 'aaaaaaaaaaaaaaaa' as AccountId;
const bob = 'bbbbbbbbbbbbbbbb' as AccountId;
const edge = 'edge' as NodeId;
const gate = 'gate' as NodeId;
const refused = (error: unknown): boolean => isMailError(error, 'authenticationFailed');

/** Stands still until it is moved; timers fire when it passes them. */
class HandClock implements Clock {
  #now = 0;
  #timers: { readonly at: number; readonly callback: () => void }[] = [];
  now = (): number => 1_800_000_000_000 + this.#now;
  monotonic = (): number => this.#now;
  sleep = systemClock.sleep;
  nextTurn = systemClock.nextTurn;
  yieldTurn = systemClock.yieldTurn;
  turnMs = systemClock.turnMs;

  after(delayMs: number, callback: () => void) {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.push(timer);
    const cancel = (): void => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
    return { cancel };
  }

  /** What the callbacks begin is waited for. */
  async move(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = next.at;
      next.callback();
      await systemClock.yieldTurn();
    }
    this.#now = end;
  }
}

function site() {
  const engine = openMemoryEngine();
  const clock = new HandClock();
  const random = seededRandom(7);
  const epochs = new Map<string, string>([
    [`${alice} imap`, ''],
    [`${bob} imap`, ''],
  ]);
  const sessionEpochs = async (account: AccountId, service: Service) => epochs.get(`${account} ${service}`);
  const openGate = () => {
    const keys = new GrantKeys({ engine, clock, random });
    return { keys, gate: new GrantGate({ keys, sessionEpochs, clock, random }) };
  };
  return { engine, clock, random, epochs, openGate };
}

const forAlice = { account: alice, peer: edge, service: 'imap', epoch: '' } as const;

test('a grant is good for its account and node, at every node with the engine', async () => {
  const { openGate } = site();
  const one = openGate();
  const two = openGate();
  const { grant, endsInMs } = await one.gate.issue(forAlice);
  assert.equal(endsInMs, grantLifeMs);
  for (const { gate: at } of [one, two]) {
    const claims = await at.check(grant, { account: alice, peer: edge });
    assert.deepEqual([claims.account, claims.peer, claims.service], [alice, edge, 'imap']);
    await assert.rejects(at.check(grant, { account: bob, peer: edge }), refused);
    await assert.rejects(at.check(grant, { account: alice, peer: gate }), refused);
    await assert.rejects(at.check(undefined, { account: alice, peer: edge }), refused);
  }
});

test('not one bit of a grant may be another', async () => {
  const { openGate } = site();
  const { gate: at } = openGate();
  const { grant } = await at.issue(forAlice);
  for (let index = 0; index < grant.length; index++) {
    const forged = Buffer.from(grant);
    forged[index]! ^= 1;
    await assert.rejects(at.check(forged, { account: alice, peer: edge }), refused, `byte ${index}`);
  }
  const none = [new Uint8Array(0), grant.subarray(0, 32), grant.subarray(1), Buffer.alloc(300)];
  for (const each of none) await assert.rejects(at.check(each, { account: alice, peer: edge }), refused);
});

test('a grant made with another key is none', async () => {
  const { openGate, random, clock } = site();
  const { gate: at, keys } = openGate();
  const { grant } = await at.issue(forAlice);
  const claims = openGrant(grant, keys.accepted)!;
  const forged = sealGrant({ ...claims, expiresAt: clock.now() + 1e12 }, random.bytes(32));
  await assert.rejects(at.check(forged, { account: alice, peer: edge }), refused);
});

test('a grant ends; a session renews it for a day, then the user logs in again', async () => {
  const { openGate, clock } = site();
  const { gate: at } = openGate();
  let { grant } = await at.issue(forAlice);
  await clock.move(grantLifeMs - 1);
  await at.check(grant, { account: alice, peer: edge });
  await clock.move(1);
  await assert.rejects(at.check(grant, { account: alice, peer: edge }), refused);
  await assert.rejects(at.renew(grant, edge), refused);
  ({ grant } = await at.issue(forAlice));
  await assert.rejects(at.renew(grant, gate), refused);
  let livedMs = 0;
  while (livedMs < sessionLifeMs) {
    const renewed = await at.renew(grant, edge);
    assert.ok(livedMs + renewed.endsInMs <= sessionLifeMs);
    grant = renewed.grant;
    livedMs += grantLifeMs / 2;
    await clock.move(grantLifeMs / 2);
  }
  await assert.rejects(at.renew(grant, edge), refused);
});

test('a changed password, a closed account or service ends every grant at once', async () => {
  const { openGate, epochs } = site();
  const { gate: at } = openGate();
  const { grant } = await at.issue(forAlice);
  epochs.set(`${alice} imap`, 'another');
  await assert.rejects(at.check(grant, { account: alice, peer: edge }), refused);
  await assert.rejects(at.renew(grant, edge), refused);
  await assert.rejects(at.issue(forAlice), refused, 'the password was changed since it was verified');
  const { grant: next } = await at.issue({ ...forAlice, epoch: 'another' });
  epochs.delete(`${alice} imap`);
  await assert.rejects(at.check(next, { account: alice, peer: edge }), refused);
  await assert.rejects(at.issue({ ...forAlice, epoch: 'another' }), refused);
});

test('a grant that is newer than what a node remembers of the account is looked into', async () => {
  const { engine, clock, random } = site();
  const keys = new GrantKeys({ engine, clock, random });
  const now = { remembered: 'old', stored: 'new' };
  const here = new GrantGate({ keys, sessionEpochs: async () => now.stored, clock, random });
  const { grant } = await here.issue({ ...forAlice, epoch: 'new' });
  const there = new GrantGate({
    keys,
    sessionEpochs: async (_account, _service, isFresh) => (isFresh ? now.stored : now.remembered),
    clock,
    random,
  });
  await there.check(grant, { account: alice, peer: edge });
  now.stored = 'newer';
  await assert.rejects(there.check(grant, { account: alice, peer: edge }), refused);
});

test('keys rotate: two are accepted, and a new one of another node is found', async () => {
  const { openGate, clock } = site();
  const [one, two] = [openGate(), openGate()];
  await two.keys.newest();
  const first = await one.keys.newest();
  await clock.move(rotationMs);
  const { grant } = await one.gate.issue(forAlice);
  const second = await one.keys.newest();
  assert.notDeepEqual(second, first);
  assert.deepEqual(one.keys.accepted, [second, first]);
  assert.deepEqual(two.keys.accepted, [first]);
  await two.gate.check(grant, { account: alice, peer: edge });
  assert.deepEqual(await two.keys.newest(), second);
  await clock.move(rotationMs);
  assert.deepEqual(one.keys.accepted.length, 2);
  await one.keys.newest();
  assert.ok(!one.keys.accepted.some((key) => Buffer.compare(key, first) === 0));
});

test('many nodes that need the first key at once agree on it', async () => {
  const { openGate } = site();
  const keys = await Promise.all(Array.from({ length: 8 }, () => openGate().keys.newest()));
  for (const key of keys) assert.deepEqual(key, keys[0]);
});

test('every method of the port is decided on: quotas are the administrator’s, reading is not POP3’s alone', () => {
  const methods = Object.keys(accountMethods);
  const allowed = (service: Service) => methods.filter((method) => mayCall(service, method, false));
  assert.deepEqual(
    methods.filter((method) => !mayCall('imap', method, false)),
    ['searchIndex', 'rebuildSearchIndex', 'setQuota'],
  );
  assert.deepEqual(allowed('pop3').sort(), [
    'columns',
    'expunge',
    'openMailbox',
    'readMessages',
    'readRange',
    'sentSizes',
  ]);
  assert.deepEqual(allowed('smtp'), []);
  assert.deepEqual(allowed('http'), []);
  for (const managing of ['remove', 'endSessions', 'deliver', 'constructor', '__proto__', 'toString'])
    for (const service of ['imap', 'pop3', 'smtp'] as const)
      assert.equal(mayCall(service, managing, false), false);
});

test('a SCRAM nonce is good for a minute, for its node and user, as it was written', () => {
  const { random, clock } = site();
  const key = random.bytes(32);
  const keys = [random.bytes(32), key];
  const owner = { peer: edge, user: 'alice@example.test' };
  const now = clock.now();
  const nonce = makeScramNonce(owner, { key, now, random });
  assert.match(nonce, /^[A-Za-z0-9_-]+$/);
  assert.ok(isScramNonce(nonce, owner, { keys, now }));
  assert.ok(!isScramNonce(nonce, owner, { keys, now: now + scramNonceLifeMs + 1 }));
  assert.ok(!isScramNonce(nonce, { ...owner, peer: gate }, { keys, now }));
  assert.ok(!isScramNonce(nonce, { ...owner, user: 'bob@example.test' }, { keys, now }));
  assert.ok(!isScramNonce(nonce, owner, { keys: keys.slice(0, 1), now }));
  for (const text of ['', 'A', `${nonce}A`, `${nonce}=`, nonce.slice(0, -1), ` ${nonce}`])
    assert.ok(!isScramNonce(text, owner, { keys, now }), text);
});

test('a node keeps a grant while sessions live, renews it in time, and forgets it after the last', async () => {
  const clock = new HandClock();
  const renewed: Uint8Array[] = [];
  const keeper = new GrantKeeper({
    renew: async (grant) => {
      renewed.push(grant);
      return { grant: Uint8Array.of(grant[0]! + 1), endsInMs: grantLifeMs };
    },
    clock,
    log: silentLog,
  });
  keeper.keep(alice, 'imap', { grant: Uint8Array.of(1), endsInMs: grantLifeMs });
  assert.equal(keeper.grantOf(bob, 'imap'), undefined);
  assert.equal(keeper.grantOf(alice, 'pop3'), undefined);
  const ends = [keeper.watched(alice, 'imap'), keeper.watched(alice, 'imap')];
  await clock.move(4 * grantLifeMs);
  assert.ok(renewed.length >= 7, `${renewed.length} renewals`);
  assert.deepEqual(keeper.grantOf(alice, 'imap'), Uint8Array.of(renewed.length + 1));
  ends[0]!();
  ends[0]!();
  await clock.move(2 * grantLifeMs);
  assert.equal(keeper.size, 1);
  ends[1]!();
  await clock.move(2 * grantLifeMs);
  assert.equal(keeper.size, 0);
  assert.equal(keeper.grantOf(alice, 'imap'), undefined);
  keeper[Symbol.dispose]();
});

test('a grant that is refused is forgotten; one that could not be renewed is tried again', async () => {
  const clock = new HandClock();
  let answer: () => Promise<never> = async () => {
    throw new Error('nobody answers');
  };
  const keeper = new GrantKeeper({ renew: () => answer(), clock, log: silentLog });
  keeper.keep(alice, 'imap', { grant: Uint8Array.of(1), endsInMs: grantLifeMs });
  keeper.watched(alice, 'imap');
  await clock.move(0.6 * grantLifeMs);
  assert.deepEqual(keeper.grantOf(alice, 'imap'), Uint8Array.of(1));
  answer = async () => {
    throw new MailError('authenticationFailed', 'over');
  };
  await clock.move(0.1 * grantLifeMs);
  assert.equal(keeper.size, 0);
  keeper[Symbol.dispose]();
});

test('a node that gets an account knows of passwords that changed while another had it', async () => {
  const { directory, engine, clock } = await openTestDirectory();
  const { id } = await directory.addAccount({ address: 'alice@example.test', password: 'the first' });
  // Its signals are late.
  const deaf = new Proxy(engine, {
    get: (target, name) => {
      if (name === 'subscribe') return () => () => {};
      const member = Reflect.get(target, name) as unknown;
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  await using other = (await openTestDirectory({}, deaf)).directory;
  const random = seededRandom(1);
  const grants = new GrantGate({
    keys: new GrantKeys({ engine, clock, random }),
    sessionEpochs: (...asked) => other.sessionEpoch(...asked),
    clock,
    random,
  });
  const never = async () => assert.fail('no account is opened here');
  const hosted = new HostedAccounts({
    accounts: { open: never },
    leases: { epochOf: () => 1 as Epoch },
    hosts: { closeShard: async () => {}, endSessions: () => {}, remove: never },
    log: silentLog,
    opened: () => other.forgetReads(),
  });
  const { grant } = await grants.issue({ account: id, peer: edge, service: 'imap', epoch: '' });
  await grants.check(grant, { account: id, peer: edge });
  await directory.setPassword(id, 'the second');
  hosted.onShardOpened(shardOf(id), 1 as Epoch);
  await assert.rejects(grants.check(grant, { account: id, peer: edge }), refused);
  await directory[Symbol.asyncDispose]();
});
