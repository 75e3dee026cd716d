import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom } from '../base/random.ts';
import { isMailError } from '../mail/mail-error.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import { startSasl } from '../wire/sasl/start-sasl.ts';
import type { AuthenticationContext, Directory, Principal } from './directory.ts';
import { HashGate } from './password-hash.ts';
import { cheapHash, fromHere, openTestDirectory } from './testing.ts';
import { throttleWindowMs } from './throttle.ts';

/** The principal's address, or the kind of refusal. */
async function login(
  directory: Directory,
  user: string,
  password: string,
  more: Partial<AuthenticationContext> & { authorizationId?: string } = {},
): Promise<string> {
  const { authorizationId = '', ...context } = more;
  const credentials = { user, password, authorizationId };
  return outcomeOf(directory.verifyPassword(credentials, { ...fromHere, ...context }));
}

async function outcomeOf(verified: Promise<Principal>): Promise<string> {
  try {
    return (await verified).address;
  } catch (error) {
    if (isMailError(error)) return error.kind;
    throw error;
  }
}

/** Counts Argon2 runs. */
function countHashes(): { count: number; restore(): void } {
  const run = HashGate.prototype.run;
  const counter = {
    count: 0,
    restore: () => {
      HashGate.prototype.run = run;
    },
  };
  HashGate.prototype.run = function counted(job) {
    counter.count++;
    return run.call(this, job) as ReturnType<typeof job>;
  };
  return counter;
}

test('the right password, by any name; everything else is one answer', async () => {
  const { directory } = await openTestDirectory({ failuresPerAccount: 50, failuresPerAddress: 50 });
  const alice = await directory.addAccount({
    address: 'alice@example.test',
    password: 'p\u00e4ss  word',
    addresses: ['a@example.test'],
    services: ['imap'],
  });
  await directory.addDomain({ name: 'example.org', aliasOf: 'example.test' });
  await directory.addAccount({ address: 'none@example.test', password: undefined });
  assert.equal(await login(directory, 'Alice@Example.test', 'p\u00e4ss  word'), 'alice@example.test');
  assert.equal(await login(directory, 'a@example.org', 'pa\u0308ss  word'), 'alice@example.test');
  for (const [user, password] of [
    ['alice@example.test', 'pass word'],
    ['alice@example.test', ''],
    ['alice@example.test', 'p\u00e4ss\u0000word'],
    ['alice', 'p\u00e4ss  word'],
    ['alice+x@example.test', 'p\u00e4ss  word'],
    ['none@example.test', ''],
    ['bob@example.test', 'p\u00e4ss  word'],
    ['bob@elsewhere.test', 'p\u00e4ss  word'],
  ] as const) {
    assert.equal(await login(directory, user, password), 'authenticationFailed', `${user} ${password}`);
  }
  assert.equal(
    await login(directory, 'alice@example.test', 'p\u00e4ss  word', { service: 'pop3' }),
    'authenticationFailed',
  );
  await directory.setAccount(alice.id, { enabled: false });
  assert.equal(await login(directory, 'alice@example.test', 'p\u00e4ss  word'), 'authenticationFailed');
  await directory.setAccount(alice.id, { enabled: true });
  await directory.setDomain('example.test', { enabled: false });
  assert.equal(await login(directory, 'alice@example.test', 'p\u00e4ss  word'), 'authenticationFailed');
});

test('unknown users cost the same hash as known ones', async () => {
  const { directory } = await openTestDirectory({ verifiedCacheMs: 0 });
  await directory.addAccount({ address: 'alice@example.test', password: 'right' });
  const hashes = countHashes();
  try {
    await login(directory, 'alice@example.test', 'wrong');
    assert.equal(hashes.count, 1);
    await login(directory, 'nobody@example.test', 'wrong');
    assert.equal(hashes.count, 2);
    await login(directory, 'not an address', 'wrong');
    assert.equal(hashes.count, 3);
  } finally {
    hashes.restore();
  }
});

test('a verified password is not hashed again until it ages, and never after a change', async () => {
  const { directory, clock } = await openTestDirectory();
  const alice = await directory.addAccount({ address: 'alice@example.test', password: 'first' });
  const hashes = countHashes();
  try {
    const together = await Promise.all([1, 2, 3].map(() => login(directory, 'alice@example.test', 'first')));
    assert.deepEqual(together, Array(3).fill('alice@example.test'));
    await login(directory, 'alice@example.test', 'first');
    assert.equal(hashes.count, 1);
    clock.advance(600_001);
    await login(directory, 'alice@example.test', 'first');
    assert.equal(hashes.count, 2);
    await directory.setPassword(alice.id, 'second');
    assert.equal(await login(directory, 'alice@example.test', 'first'), 'authenticationFailed');
    assert.equal(await login(directory, 'alice@example.test', 'second'), 'alice@example.test');
    const before = hashes.count;
    assert.equal(await login(directory, 'alice@example.test', 'first'), 'authenticationFailed');
    assert.equal(hashes.count, before, 'a wrong password that is repeated is remembered too');
  } finally {
    hashes.restore();
  }
});

test('a password changed while an old one is being verified does not let it in', async () => {
  const { directory } = await openTestDirectory();
  const alice = await directory.addAccount({ address: 'alice@example.test', password: 'first' });
  const run = HashGate.prototype.run;
  let release = (): void => undefined;
  let entered = (): void => undefined;
  const isRunning = new Promise<void>((resolve) => {
    entered = resolve;
  });
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  HashGate.prototype.run = async function slow(job) {
    HashGate.prototype.run = run;
    entered();
    await held;
    return run.call(this, job) as ReturnType<typeof job>;
  };
  const old = login(directory, 'alice@example.test', 'first');
  await isRunning;
  await directory.setPassword(alice.id, 'second');
  release();
  assert.equal(await old, 'authenticationFailed');
});

test('failures of an account are throttled, but not where its owner logged in; the count leaks away', async () => {
  const { directory, clock } = await openTestDirectory();
  await directory.addAccount({
    address: 'alice@example.test',
    password: 'right',
    addresses: ['a@example.test'],
  });
  assert.equal(
    await login(directory, 'alice@example.test', 'right', { remoteAddress: '192.0.2.7' }),
    'alice@example.test',
  );
  for (const [index, name] of ['alice', 'a', 'alice'].entries()) {
    const remoteAddress = `198.51.100.${index}`;
    assert.equal(
      await login(directory, `${name}@example.test`, `w${index}`, { remoteAddress }),
      'authenticationFailed',
    );
  }
  const stranger = { remoteAddress: '198.51.100.9' };
  assert.equal(await login(directory, 'alice@example.test', 'right', stranger), 'limitReached');
  assert.equal(
    await login(directory, 'alice@example.test', 'right', { remoteAddress: '192.0.2.7' }),
    'alice@example.test',
  );
  clock.advance(throttleWindowMs / 3 + 1);
  assert.equal(await login(directory, 'alice@example.test', 'right', stranger), 'alice@example.test');
});

test('unknown names are throttled as known ones are', async () => {
  const { directory } = await openTestDirectory();
  for (let index = 0; index < 3; index++) {
    const remoteAddress = `198.51.100.${index}`;
    await login(directory, 'nobody@example.test', `w${index}`, { remoteAddress });
  }
  const stranger = { remoteAddress: '198.51.100.9' };
  assert.equal(await login(directory, 'Nobody@example.test', 'x', stranger), 'limitReached');
});

test('failures of an address are throttled; the same wrong password again does not count', async () => {
  const { directory } = await openTestDirectory({ failuresPerAccount: 100 });
  await directory.addAccount({ address: 'alice@example.test', password: 'right' });
  for (let index = 0; index < 20; index++) await login(directory, 'alice@example.test', 'old');
  assert.equal(await login(directory, 'alice@example.test', 'right'), 'alice@example.test');
  for (let index = 0; index < 4; index++) await login(directory, 'alice@example.test', `w${index}`);
  assert.equal(await login(directory, 'alice@example.test', 'right'), 'limitReached');
  assert.equal(
    await login(directory, 'alice@example.test', 'right', { remoteAddress: '192.0.2.99' }),
    'alice@example.test',
  );
});

test('IPv6 is throttled by /64, mapped IPv4 as IPv4', async () => {
  const { directory } = await openTestDirectory({ failuresPerAccount: 100, failuresPerAddress: 1 });
  await directory.addAccount({ address: 'alice@example.test', password: 'right' });
  const tried = (password: string, remoteAddress: string) =>
    login(directory, 'alice@example.test', password, { remoteAddress });
  for (const [failed, same, other] of [
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::1', '2001:db8:1:3::1'],
    ['::ffff:192.0.2.1', '192.0.2.1', '192.0.2.2'],
  ] as const) {
    assert.equal(await tried(`not ${failed}`, failed), 'authenticationFailed');
    assert.equal(await tried('right', same), 'limitReached');
    assert.equal(await tried('right', other), 'alice@example.test');
  }
});

test('guesses sent at once do not pass the limit together', async () => {
  const { directory } = await openTestDirectory({ failuresPerAccount: 3, failuresPerAddress: 3 });
  await directory.addAccount({ address: 'alice@example.test', password: 'right' });
  const outcomes = await Promise.all(
    Array.from({ length: 40 }, (_, index) => login(directory, 'alice@example.test', `w${index}`)),
  );
  const guesses = outcomes.filter((outcome) => outcome === 'authenticationFailed').length;
  assert.ok(guesses <= 3 + 2, `${guesses} guesses were answered`);
  assert.ok(outcomes.includes('limitReached'));
});

test('app passwords: scopes, last use, removal; typed without dashes too', async () => {
  const { directory, clock } = await openTestDirectory({ failuresPerAccount: 50, failuresPerAddress: 50 });
  const alice = await directory.addAccount({ address: 'alice@example.test', password: 'right' });
  const made = await directory.addAppPassword(alice.id, { name: 'phone', services: ['imap'] });
  assert.match(made.password, /^[a-z2-7]{4}(-[a-z2-7]{4}){5}$/);
  const typed = made.password.replaceAll('-', ' ').toUpperCase();
  assert.equal(await login(directory, 'alice@example.test', typed), 'alice@example.test');
  const wrongService = await login(directory, 'alice@example.test', made.password, { service: 'smtp' });
  assert.equal(wrongService, 'authenticationFailed');
  await directory.settled();
  const usedAt = Math.floor(clock.now() / 1000);
  assert.equal((await directory.appPasswords(alice.id))[0]?.lastUsedAt, usedAt);
  clock.advance(59_000);
  await login(directory, 'alice@example.test', made.password);
  await directory.settled();
  assert.equal((await directory.appPasswords(alice.id))[0]?.lastUsedAt, usedAt);
  clock.advance(1_000);
  await login(directory, 'alice@example.test', made.password);
  await directory.settled();
  assert.equal((await directory.appPasswords(alice.id))[0]?.lastUsedAt, usedAt + 60);
  await directory.removeAppPassword(alice.id, made.id);
  assert.equal(await login(directory, 'alice@example.test', made.password), 'authenticationFailed');
  assert.deepEqual(await directory.appPasswords(alice.id), []);
  assert.equal(await login(directory, 'alice@example.test', 'right'), 'alice@example.test');
});

test('acting for another: administrators only, not with an app password', async () => {
  const { directory } = await openTestDirectory({ failuresPerAccount: 50, failuresPerAddress: 50 });
  await directory.addAccount({
    address: 'alice@example.test',
    password: 'right',
    addresses: ['a@example.test'],
  });
  const root = await directory.addAccount({
    address: 'root@example.test',
    password: 'root',
    administrator: true,
  });
  const as = (user: string, password: string, authorizationId: string) =>
    login(directory, user, password, { authorizationId });
  assert.equal(await as('root@example.test', 'root', 'Alice@example.test'), 'alice@example.test');
  assert.equal(await as('alice@example.test', 'right', 'a@example.test'), 'alice@example.test');
  assert.equal(await as('alice@example.test', 'right', 'root@example.test'), 'authenticationFailed');
  assert.equal(await as('root@example.test', 'root', 'nobody@example.test'), 'authenticationFailed');
  const made = await directory.addAppPassword(root.id, { name: 'x', services: ['imap'] });
  assert.equal(await as('root@example.test', made.password, 'alice@example.test'), 'authenticationFailed');
});

test('a certificate leads to the account of its names, and is worth what a password is', async () => {
  const { directory } = await openTestDirectory({ failuresPerAccount: 50, failuresPerAddress: 3 });
  const alice = await directory.addAccount({ address: 'alice@example.test', password: 'right' });
  await directory.addAccount({ address: 'root@example.test', password: undefined, administrator: true });
  await directory.addAccount({ address: 'team@example.test', password: undefined, shared: true });
  const shown = async (names: readonly string[], authorizationId = '', remoteAddress = '127.0.0.9') => {
    const context = { ...fromHere, remoteAddress };
    return outcomeOf(directory.verifyCertificate!({ names, authorizationId }, context));
  };
  assert.equal(await shown(['ALICE@example.test']), 'alice@example.test');
  // An account without a password may have certificates.
  assert.equal(await shown(['root@example.test'], 'alice@example.test'), 'alice@example.test');
  assert.equal(
    await shown(['alice@example.test', 'root@example.test'], 'root@example.test'),
    'root@example.test',
  );
  assert.equal(await shown(['alice@example.test'], 'root@example.test'), 'authenticationFailed');
  assert.equal(await shown(['team@example.test']), 'authenticationFailed');
  assert.equal(await shown([]), 'authenticationFailed');
  await directory.setAccount(alice.id, { services: ['pop3'] });
  assert.equal(await shown(['alice@example.test']), 'authenticationFailed');
  // Guesses of certificates are throttled like others.
  for (let at = 0; at < 3; at++)
    assert.equal(await shown(['x@example.test'], '', '127.0.0.8'), 'authenticationFailed');
  assert.equal(await shown(['x@example.test'], '', '127.0.0.8'), 'limitReached');
});

test('SCRAM verifiers: real ones work, invented ones are stable and unlike each other', async () => {
  const engine = openMemoryEngine();
  const { directory } = await openTestDirectory({}, engine);
  await directory.addAccount({ address: 'alice@example.test', password: 'right' });
  const invented = await directory.scramVerifier('nobody@example.test', fromHere);
  const { directory: reopened } = await openTestDirectory({}, engine);
  assert.deepEqual(await reopened.scramVerifier('NOBODY@example.test', fromHere), invented);
  const real = await directory.scramVerifier('alice@example.test', fromHere);
  assert.equal(real.iterations, invented.iterations);
  assert.equal(real.salt.length, invented.salt.length);
  assert.notDeepEqual((await directory.scramVerifier('other@example.test', fromHere)).salt, invented.salt);
  for (let index = 0; index < 3; index++) {
    const outcome = { user: 'nobody@example.test', authorizationId: '', verified: index === 2 };
    await assert.rejects(directory.finishScram(outcome, fromHere), (error) =>
      isMailError(error, 'authenticationFailed'),
    );
  }
  await assert.rejects(directory.scramVerifier('nobody@example.test', fromHere), (error) =>
    isMailError(error, 'limitReached'),
  );
});

test('a password changed while a SCRAM exchange goes on: the old one does not let in', async () => {
  const { directory } = await openTestDirectory();
  const { id } = await directory.addAccount({ address: 'alice@example.test', password: 'the first' });
  const user = 'alice@example.test';
  const { storedKey } = await directory.scramVerifier(user, fromHere);
  const outcome = { user, authorizationId: '', verified: true, storedKey };
  assert.equal(await outcomeOf(directory.finishScram(outcome, fromHere)), user);
  await directory.setPassword(id, 'the second');
  assert.equal(await outcomeOf(directory.finishScram(outcome, fromHere)), 'authenticationFailed');
});

test('the directory is what SASL asks', async () => {
  const { directory } = await openTestDirectory();
  const alice = await directory.addAccount({ address: 'alice@example.test', password: 'right' });
  const server = startSasl('PLAIN', {
    authenticator: directory,
    context: fromHere,
    tls: undefined,
    offered: ['PLAIN'],
    random: systemRandom,
  });
  const step = await server?.step(Buffer.from('\0alice@example.test\0right'));
  assert.equal(step?.type === 'success' && step.principal.accountId, alice.id);
});

test('a hash made with other parameters is renewed at login', async () => {
  const engine = openMemoryEngine();
  const { directory: old } = await openTestDirectory({}, engine);
  await old.addAccount({ address: 'alice@example.test', password: 'right' });
  const { directory } = await openTestDirectory(
    { passwordHash: { ...cheapHash, passes: 2 }, scramIterations: 5000 },
    engine,
  );
  assert.equal(await login(directory, 'alice@example.test', 'wrong'), 'authenticationFailed');
  assert.equal((await directory.scramVerifier('alice@example.test', fromHere)).iterations, 4096);
  assert.equal(await login(directory, 'alice@example.test', 'right'), 'alice@example.test');
  await directory.settled();
  const { directory: later } = await openTestDirectory({}, engine);
  assert.equal((await later.scramVerifier('alice@example.test', fromHere)).iterations, 5000);
  assert.equal(await login(later, 'alice@example.test', 'right'), 'alice@example.test');
});

test('limits change while it runs; password changes are told', async () => {
  const told: string[] = [];
  const hooks = { onSessionsEnded: async (id: string) => void told.push(id) };
  const { directory } = await openTestDirectory({ hooks, failuresPerAccount: 1 });
  const alice = await directory.addAccount({ address: 'alice@example.test', password: 'right' });
  assert.equal(await login(directory, 'alice@example.test', 'wrong'), 'authenticationFailed');
  assert.equal(await login(directory, 'alice@example.test', 'right'), 'limitReached');
  const ten = { failuresPerAddress: 10, failuresPerAccount: 10, failuresPerFrontend: 10 };
  directory.setLimits({ ...ten, verifiedCacheMs: 0 });
  assert.equal(await login(directory, 'alice@example.test', 'right'), 'alice@example.test');
  await directory.setPassword(alice.id, 'other');
  const made = await directory.addAppPassword(alice.id, { name: 'x', services: ['imap'] });
  await directory.removeAppPassword(alice.id, made.id);
  assert.deepEqual(told, [alice.id, alice.id]);
});
