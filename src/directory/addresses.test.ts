import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { systemRandom } from '../base/random.ts';
import { parseAddress } from '../mail/address.ts';
import { isMailError, type MailErrorKind } from '../mail/mail-error.ts';
import type { Directory, Resolution } from './directory.ts';
import { openInternalDirectory } from './internal-directory.ts';
import { openTestDirectory, testSettings } from './testing.ts';

const refused = (kind: MailErrorKind) => (error: unknown) => isMailError(error, kind);

/** 'alice@example.test', with '+detail' behind; several separated by a space; or the outcome. */
async function where(directory: Directory, text: string): Promise<string> {
  const address = parseAddress(text) ?? { localPart: text, domain: '' };
  const resolution: Resolution = await directory.resolve(address);
  if (resolution.outcome !== 'deliver') return resolution.outcome;
  const shown = resolution.targets.map((target) => {
    if (target.type === 'outside') return `outside:${target.address}`;
    return target.detail === undefined ? target.address : `${target.address}+${target.detail}`;
  });
  return shown.join(' ');
}

test('accounts by any of their addresses, in any letter case and Unicode form', async () => {
  const { directory } = await openTestDirectory();
  await directory.addDomain({ name: 'Bücher.test' });
  const alice = await directory.addAccount({
    address: 'Alice@Example.TEST',
    password: 'secret',
    addresses: ['a.smith@example.test', 'jos\u00e9@b\u00fccher.test'],
  });
  assert.equal(alice.address, 'alice@example.test');
  assert.equal(await where(directory, 'ALICE@EXAMPLE.TEST'), 'alice@example.test');
  assert.equal(await where(directory, 'A.Smith@example.test'), 'a.smith@example.test');
  assert.equal(await where(directory, 'jose\u0301@xn--bcher-kva.test'), 'jos\u00e9@xn--bcher-kva.test');
  assert.equal(await where(directory, 'bob@example.test'), 'unknownUser');
  assert.equal(await where(directory, 'bob@elsewhere.test'), 'foreign');
  assert.equal((await directory.accountByAddress('a.smith@example.test'))?.id, alice.id);
  assert.equal(await directory.accountByAddress('not an address'), undefined);
});

test('sub-addresses: the whole local part first, then before the first separator', async () => {
  const { directory } = await openTestDirectory({ subAddressSeparators: '+-' });
  await directory.addAccount({ address: 'alice@example.test', password: undefined });
  await directory.addAccount({ address: 'alice+work@example.test', password: undefined });
  assert.equal(await where(directory, 'alice+lists+x@example.test'), 'alice@example.test+lists+x');
  assert.equal(await where(directory, 'alice-lists@example.test'), 'alice@example.test+lists');
  assert.equal(await where(directory, 'alice+@example.test'), 'alice@example.test+');
  assert.equal(await where(directory, 'alice+work@example.test'), 'alice+work@example.test');
  assert.equal(await where(directory, '+alice@example.test'), 'unknownUser');
  const { directory: without } = await openTestDirectory({ subAddressSeparators: '' });
  await without.addAccount({ address: 'alice@example.test', password: undefined });
  assert.equal(await where(without, 'alice+x@example.test'), 'unknownUser');
});

test('aliases: several and outside targets, each account once, details carried on', async () => {
  const { directory } = await openTestDirectory();
  await directory.addAccount({ address: 'alice@example.test', password: undefined });
  await directory.addAccount({ address: 'bob@example.test', password: undefined });
  await directory.addAlias({
    address: 'team@example.test',
    targets: ['alice@example.test', 'Bob@Elsewhere.test'],
  });
  await directory.addAlias({
    address: 'all@example.test',
    targets: ['team@example.test', 'bob@example.test', 'alice@example.test', 'gone@example.test'],
  });
  assert.equal(await where(directory, 'team@example.test'), 'alice@example.test outside:Bob@elsewhere.test');
  assert.equal(
    await where(directory, 'all@example.test'),
    'alice@example.test outside:Bob@elsewhere.test bob@example.test',
  );
  assert.equal(
    await where(directory, 'team+x@example.test'),
    'alice@example.test+x outside:Bob@elsewhere.test',
  );
  await directory.setAlias('team@example.test', { enabled: false });
  assert.equal(await where(directory, 'team@example.test'), 'disabled');
  await directory.removeAlias('team@example.test');
  assert.equal(await where(directory, 'team@example.test'), 'unknownUser');
  assert.equal((await directory.alias('ALL@example.test'))?.targets.length, 4);
});

test('alias loops and chains that are too long', async () => {
  const { directory } = await openTestDirectory();
  await directory.addAccount({ address: 'alice@example.test', password: undefined });
  await directory.addAlias({ address: 'a@example.test', targets: ['b@example.test'] });
  await directory.addAlias({ address: 'b@example.test', targets: ['a@example.test'] });
  assert.equal(await where(directory, 'a@example.test'), 'aliasLoop');
  await directory.addAlias({ address: 'c@example.test', targets: ['c@example.test', 'alice@example.test'] });
  assert.equal(await where(directory, 'c@example.test'), 'alice@example.test');
  for (let level = 0; level < 12; level++) {
    const next = level === 11 ? 'alice@example.test' : `level${level + 1}@example.test`;
    await directory.addAlias({ address: `level${level}@example.test`, targets: [next] });
  }
  assert.equal(await where(directory, 'level0@example.test'), 'aliasLoop');
  assert.equal(await where(directory, 'level8@example.test'), 'alice@example.test');
});

test('domain aliases, catch-all, disabled domains', async () => {
  const { directory } = await openTestDirectory();
  await directory.addAccount({ address: 'alice@example.test', password: undefined });
  await directory.addDomain({ name: 'example.org', aliasOf: 'example.test' });
  assert.equal(await where(directory, 'alice+x@example.org'), 'alice@example.test+x');
  await directory.setDomain('example.test', { catchAll: 'alice@example.test' });
  assert.equal(await where(directory, 'who@example.org'), 'alice@example.test');
  await directory.setDomain('example.org', { enabled: false });
  assert.equal(await where(directory, 'alice@example.org'), 'disabled');
  assert.equal(await where(directory, 'alice@example.test'), 'alice@example.test');
  await directory.setDomain('example.test', { enabled: false });
  assert.equal(await where(directory, 'alice@example.test'), 'disabled');
});

test('a catch-all that leads to nobody', async () => {
  const { directory } = await openTestDirectory();
  await directory.setDomain('example.test', { catchAll: 'nobody@example.test' });
  assert.equal(await where(directory, 'who@example.test'), 'aliasLoop');
});

test('mail for postmaster always arrives: whoever has the address, who is named, an administrator, the first account', async () => {
  const { directory } = await openTestDirectory();
  // Nobody is here at all.
  assert.equal(await where(directory, 'postmaster@example.test'), 'unknownUser');
  await directory.addDomain({ name: 'other.test' });
  await directory.addDomain({ name: 'same.test', aliasOf: 'example.test' });
  const carol = await directory.addAccount({ address: 'carol@example.test', password: undefined });
  for (const address of ['postmaster', 'postmaster@example.test', 'postmaster@other.test'])
    assert.equal(await where(directory, address), 'carol@example.test', address);
  const bob = await directory.addAccount({ address: 'bob@other.test', password: undefined });
  assert.equal(await where(directory, 'postmaster@other.test'), 'bob@other.test');
  assert.equal(await where(directory, 'postmaster@same.test'), 'carol@example.test');
  assert.equal(await directory.ownsAddress(carol.id, parseAddress('postmaster@example.test')!), false);
  await directory.setAccount(bob.id, { enabled: false });
  assert.equal(await where(directory, 'postmaster@other.test'), 'carol@example.test');
  const admin = await directory.addAccount({
    address: 'admin@example.test',
    password: undefined,
    administrator: true,
  });
  assert.equal(await where(directory, 'Postmaster@example.test'), 'admin@example.test');
  assert.equal(await where(directory, 'postmaster'), 'admin@example.test');
  await directory.setDomain('example.test', { postmaster: 'Carol@Example.test' });
  assert.equal(await where(directory, 'postmaster@example.test'), 'carol@example.test');
  assert.equal(await directory.ownsAddress(carol.id, parseAddress('postmaster@example.test')!), true);
  await directory.setAccount(carol.id, { enabled: false });
  assert.equal(await where(directory, 'postmaster@example.test'), 'admin@example.test');
  await directory.addAlias({ address: 'postmaster@example.test', targets: ['x@elsewhere.test'] });
  assert.equal(await where(directory, 'postmaster@example.test'), 'outside:x@elsewhere.test');
  await directory.setAlias('postmaster@example.test', { enabled: false });
  assert.equal(await where(directory, 'postmaster@example.test'), 'admin@example.test');
  await directory.setAccount(admin.id, { enabled: false });
  await directory.setAccount(bob.id, { enabled: true });
  assert.equal(await where(directory, 'postmaster@example.test'), 'bob@other.test');
});

test('a site without an administrator is told at the start who gets mail for postmaster', async () => {
  const warnings: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => warnings.push(line) });
  const { directory, engine, clock } = await openTestDirectory();
  const open = async (): Promise<string> => {
    warnings.length = 0;
    const parts = { engine, clock, random: systemRandom, log };
    await (await openInternalDirectory({ ...parts, settings: testSettings }))[Symbol.asyncDispose]();
    return warnings.join();
  };
  assert.match(await open(), /no account is an administrator/);
  await directory.addAccount({ address: 'a@example.test', password: undefined, administrator: true });
  assert.equal(await open(), '');
});

test('a postmaster is not removed before another is named, but with the last address of the domain', async () => {
  const { directory } = await openTestDirectory();
  const dan = await directory.addAccount({
    address: 'dan@example.test',
    password: undefined,
    addresses: ['postmaster@example.test'],
  });
  const eve = await directory.addAccount({ address: 'eve@example.test', password: undefined });
  await assert.rejects(directory.removeAccount(dan.id), refused('conflict'));
  await assert.rejects(directory.setAccount(dan.id, { addresses: [] }), refused('conflict'));
  await assert.rejects(
    directory.setDomain('example.test', { postmaster: 'nobody@example.test' }),
    refused('invalidArgument'),
  );
  await directory.setDomain('example.test', { postmaster: 'eve@example.test' });
  await directory.setAccount(dan.id, { addresses: [] });
  await assert.rejects(directory.removeAccount(eve.id), refused('conflict'));
  await directory.addAlias({ address: 'postmaster@example.test', targets: ['dan@example.test'] });
  await directory.setDomain('example.test', { postmaster: undefined });
  await assert.rejects(directory.removeAlias('postmaster@example.test'), refused('conflict'));
  await directory.removeAccount(eve.id);
  await directory.removeAccount(dan.id);
  await directory.removeAlias('postmaster@example.test');
  await directory.removeDomain('example.test');
});

test('who may send as what', async () => {
  const { directory } = await openTestDirectory();
  const alice = await directory.addAccount({
    address: 'alice@example.test',
    password: undefined,
    addresses: ['second@example.test'],
  });
  await directory.addAccount({ address: 'bob@example.test', password: undefined });
  await directory.addAlias({ address: 'mine@example.test', targets: ['alice@example.test'] });
  await directory.addAlias({
    address: 'ours@example.test',
    targets: ['alice@example.test', 'bob@example.test'],
  });
  await directory.setDomain('example.test', { catchAll: 'alice@example.test' });
  const owns = (text: string) => directory.ownsAddress(alice.id, parseAddress(text)!);
  assert.equal(await owns('alice@example.test'), true);
  assert.equal(await owns('second+x@example.test'), true);
  assert.equal(await owns('mine@example.test'), true);
  assert.equal(await owns('ours@example.test'), false);
  assert.equal(await owns('bob@example.test'), false);
  assert.equal(await owns('anything@example.test'), false);
  assert.equal(await owns('alice@elsewhere.test'), false);
});

test('an address belongs to one: of concurrent additions exactly one wins', async () => {
  const { directory } = await openTestDirectory();
  const attempts = [
    directory.addAccount({ address: 'x@example.test', password: undefined }),
    directory.addAccount({ address: 'y@example.test', password: undefined, addresses: ['x@example.test'] }),
    directory.addAlias({ address: 'X@example.test', targets: ['z@example.test'] }),
    directory.addAccount({ address: 'x@example.test', password: undefined }),
  ];
  const outcomes = await Promise.allSettled(attempts);
  assert.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1);
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') assert.ok(isMailError(outcome.reason, 'conflict'));
  }
});

test('an addition and the removal of its domain do not both succeed', async () => {
  for (let round = 0; round < 10; round++) {
    const { directory } = await openTestDirectory();
    const [added, removed] = await Promise.allSettled([
      directory.addAccount({ address: 'x@example.test', password: undefined }),
      directory.removeDomain('example.test'),
    ]);
    assert.notEqual(added.status, removed.status);
    const domain = await directory.domain('example.test');
    assert.equal(domain === undefined, removed.status === 'fulfilled');
  }
});

test('addresses of an account change; freed ones can be taken', async () => {
  const { directory } = await openTestDirectory();
  const alice = await directory.addAccount({ address: 'alice@example.test', password: undefined });
  assert.equal(await where(directory, 'new@example.test'), 'unknownUser');
  const changed = await directory.setAccount(alice.id, {
    address: 'new@example.test',
    addresses: ['b@example.test'],
  });
  assert.equal(changed.id, alice.id);
  assert.equal(await where(directory, 'alice@example.test'), 'unknownUser');
  assert.equal(await where(directory, 'new@example.test'), 'new@example.test');
  await directory.addAccount({ address: 'alice@example.test', password: undefined });
  await assert.rejects(
    directory.setAccount(alice.id, { addresses: ['alice@example.test'] }),
    refused('conflict'),
  );
  await directory.removeAccount(alice.id);
  assert.equal(await where(directory, 'b@example.test'), 'unknownUser');
  await assert.rejects(directory.removeAccount(alice.id), refused('noSuchAccount'));
});

test('listings come in pages, in order, by domain', async () => {
  const { directory } = await openTestDirectory();
  await directory.addDomain({ name: 'b.test' });
  for (let index = 0; index < 7; index++) {
    await directory.addAccount({ address: `u${index}@example.test`, password: undefined });
    await directory.addAlias({ address: `l${index}@b.test`, targets: ['u0@example.test'] });
  }
  const seen: string[] = [];
  let after: string | undefined;
  do {
    const page = await directory.accounts({ after, limit: 3, domain: 'example.test' });
    seen.push(...page.items.map((account) => account.address));
    after = page.next;
  } while (after !== undefined);
  assert.deepEqual(
    seen,
    [0, 1, 2, 3, 4, 5, 6].map((index) => `u${index}@example.test`),
  );
  assert.equal((await directory.accounts({ after: undefined, limit: 10, domain: 'b.test' })).items.length, 0);
  const aliases = await directory.aliases({ after: 'l4@b.test', limit: 10 });
  assert.deepEqual(
    aliases.items.map((alias) => alias.address),
    ['l5@b.test', 'l6@b.test'],
  );
  const domains = await directory.domains({ after: undefined, limit: 1 });
  assert.deepEqual([domains.items[0]?.name, domains.next], ['b.test', 'b.test']);
});

test('administration refuses what makes no sense', async () => {
  const { directory } = await openTestDirectory();
  const add = (address: string) => directory.addAccount({ address, password: undefined });
  await assert.rejects(add('alice'), refused('invalidArgument'));
  await assert.rejects(add('alice@elsewhere.test'), refused('invalidArgument'));
  await assert.rejects(
    directory.addAccount({ address: 'a@example.test', password: '' }),
    refused('invalidArgument'),
  );
  await assert.rejects(directory.addDomain({ name: 'example.test' }), refused('conflict'));
  await assert.rejects(directory.addDomain({ name: 'a b' }), refused('invalidArgument'));
  await assert.rejects(
    directory.addDomain({ name: 'x.test', aliasOf: 'y.test' }),
    refused('invalidArgument'),
  );
  await assert.rejects(directory.setDomain('x.test', {}), refused('noSuchAccount'));
  await directory.addDomain({ name: 'x.test', aliasOf: 'example.test' });
  await assert.rejects(add('a@x.test'), refused('invalidArgument'));
  await assert.rejects(
    directory.addDomain({ name: 'y.test', aliasOf: 'x.test' }),
    refused('invalidArgument'),
  );
  await assert.rejects(directory.removeDomain('example.test'), refused('conflict'));
  await directory.removeDomain('x.test');
  await directory.removeDomain('example.test');
  await assert.rejects(
    directory.addAlias({ address: 'a@example.test', targets: [] }),
    refused('invalidArgument'),
  );
});

test('hooks hear of accounts before the answer; a removal is told again after a crash', async () => {
  const heard: string[] = [];
  let fails = true;
  const hooks = {
    onAccountAdded: async (account: { address: string }) => void heard.push(`added ${account.address}`),
    onAccountChanged: async (account: { enabled: boolean }) => void heard.push(`enabled ${account.enabled}`),
    onAccountRemoved: async () => {
      heard.push('removed');
      if (fails) throw new Error('disk is away');
    },
  };
  const { directory, engine } = await openTestDirectory({ hooks });
  const alice = await directory.addAccount({ address: 'alice@example.test', password: undefined });
  await directory.setAccount(alice.id, { enabled: false });
  await directory.removeAccount(alice.id);
  assert.deepEqual(heard, ['added alice@example.test', 'enabled false', 'removed']);
  fails = false;
  await openTestDirectory({ hooks }, engine);
  await openTestDirectory({ hooks }, engine);
  assert.equal(heard.length, 4);
});

test('lookups do not read the engine again, until something changes anywhere', async () => {
  const { directory, engine } = await openTestDirectory();
  await directory.addAccount({ address: 'alice@example.test', password: undefined });
  await where(directory, 'alice@example.test');
  await where(directory, 'nobody@example.test');
  const get = engine.get.bind(engine);
  let reads = 0;
  engine.get = (key) => {
    reads++;
    return get(key);
  };
  await where(directory, 'alice@example.test');
  await where(directory, 'nobody@example.test');
  assert.equal(reads, 0);
  const { directory: other } = await openTestDirectory({}, engine);
  await other.addAccount({ address: 'nobody@example.test', password: undefined });
  assert.equal(await where(directory, 'nobody@example.test'), 'nobody@example.test');
  assert.ok(reads > 0);
});

test('groups are names in one form, each once, and few; a shared account has no sessions', async () => {
  const { directory } = await openTestDirectory();
  const { id } = await directory.addAccount({ address: 'alice@example.test', password: 'secret' });
  const groups = async (names: readonly string[]) =>
    (await directory.setAccount(id, { groups: names })).groups;
  assert.deepEqual(await groups(['staff', 'jose\u0301', 'staff', 'jos\u00e9']), ['staff', 'jos\u00e9']);
  for (const name of ['', 'two words', 'line\n', 'x'.repeat(65), '\ufdfa'.repeat(60)])
    await assert.rejects(groups([name]), refused('invalidArgument'), JSON.stringify(name));
  const many = Array.from({ length: 101 }, (_, at) => `g${at}`);
  await assert.rejects(groups(many), refused('invalidArgument'));
  assert.deepEqual((await directory.account(id))?.groups, ['staff', 'jos\u00e9']);
  assert.notEqual(await directory.sessionEpoch(id, 'imap'), undefined);
  await directory.setAccount(id, { shared: true });
  assert.equal(await directory.sessionEpoch(id, 'imap'), undefined);
  assert.equal(await where(directory, 'alice@example.test'), 'alice@example.test');
});
