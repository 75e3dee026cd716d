// The lists of who may use a mailbox, and the rows by which those people find it: kept together, checked, made again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import type { AccountId } from '../../mail/ids.ts';
import { isMailError } from '../../mail/mail-error.ts';
import { allRights } from '../../mail/rights.ts';
import type { Engine } from '../../storage/engine.ts';
import type { AccountHosts } from '../account-hosts.ts';
import { identifiersIn, parseSharedWithKey, sharedWithRange, sharedWithRow } from '../records/acl-record.ts';
import { newOperation, storeCheckFindings, testAccountId, unloadAccount } from '../testing.ts';
import { actor, actorId, openFixture, person, refusalOf, strangerId } from './testing-sharing.ts';

test('who is told of: by address, group and anyone; a shared account is told apart; the own one never', async () => {
  await using fixture = await openFixture();
  const { hosts, owner, mailbox, persons } = fixture;
  await hosts.create(actorId);
  await hosts.create(strangerId);
  const actors = await hosts.open(actorId);
  const strangers = await hosts.open(strangerId);
  const share = (identifier: string, rights: string, port = owner, mailboxId = mailbox.id) =>
    port.setAcl({ operation: newOperation(), mailboxId, identifier, mode: 'replace', rights });
  assert.deepEqual(await actors.accountsSharedWithMe(), []);
  const owners = [{ accountId: testAccountId, address: 'owner@example.test', shared: false }];
  await share('group=staff', 'lr');
  await share(actor, 'lr');
  assert.deepEqual(await actors.accountsSharedWithMe(), owners);
  assert.deepEqual(await strangers.accountsSharedWithMe(), []);
  await share('group=staff', '');
  await share(actor, '');
  assert.deepEqual(await actors.accountsSharedWithMe(), []);
  await share('anyone', 'l');
  assert.deepEqual(await strangers.accountsSharedWithMe(), owners);
  assert.deepEqual(await owner.accountsSharedWithMe(), []);
  persons.set(testAccountId, person('team@example.test', { shared: true }));
  assert.deepEqual(await strangers.accountsSharedWithMe(), [
    { accountId: testAccountId, address: 'team@example.test', shared: true },
  ]);
  await hosts.remove(testAccountId);
  assert.deepEqual(await sharedWithRows(fixture.engine), []);
  assert.deepEqual(await strangers.accountsSharedWithMe(), []);
});

async function sharedWithRows(engine: Engine): Promise<string[]> {
  const page = await engine.page(sharedWithRange(undefined), { entriesMax: 1000, bytesMax: 1e6 });
  return page.entries.map(({ key }) => {
    const { identifier, ownerId } = parseSharedWithKey(key);
    return `${identifier} ${ownerId}`;
  });
}

test('whatever is done to mailboxes and lists, the rows by which others find them follow', async () => {
  await using fixture = await openFixture();
  const { owner, hosts, engine } = fixture;
  const random = seededRandom(7);
  const names = ['A', 'A/B', 'A/B/C', 'D', 'INBOX', 'Team'];
  const identifiers = [actor, 'stranger@example.test', 'anyone', 'group=staff', `-${actor}`];
  const pick = <T>(list: readonly T[]): T => list[random.integer(list.length)]!;
  for (let step = 0; step < 400; step++) {
    const operation = newOperation();
    const name = pick(names);
    const found = await owner.findMailbox({ name });
    const doing = random.integer(10);
    const done =
      doing < 2
        ? owner.createMailbox({ operation, name })
        : doing < 3
          ? owner.deleteMailbox({ operation, name })
          : doing < 4
            ? owner.renameMailbox({ operation, from: name, to: pick(names) })
            : found === undefined
              ? undefined
              : owner.setAcl({
                  operation,
                  mailboxId: found.id,
                  identifier: pick(identifiers),
                  mode: pick(['add', 'remove', 'replace']),
                  rights: pick(['l', 'lr', 'rs', '', allRights]),
                });
    await done?.catch((error: unknown) => assert(isMailError(error), String(error)));
    const { acls, mailboxes } = await (await hosts.host(testAccountId)).loaded();
    const expected = [...identifiersIn(acls.values())].map((identifier) => `${identifier} ${testAccountId}`);
    assert.deepEqual(await sharedWithRows(engine), expected.sort(), `after step ${step}`);
    for (const id of acls.keys())
      assert(mailboxes.get(id)?.record.gone === false, 'a list of a mailbox that is there');
  }
  // What is in memory is what is on disk.
  const before = await listsOf(hosts);
  await unloadAccount(hosts);
  assert.deepEqual(await listsOf(hosts), before);
});

async function listsOf(hosts: AccountHosts) {
  const { acls } = await (await hosts.host(testAccountId)).loaded();
  return [...acls].sort(([one], [other]) => one - other);
}

test('lists have a limit; taking somebody off the full list is possible', async () => {
  await using fixture = await openFixture();
  const { owner, mailbox } = fixture;
  const set = (identifier: string, rights: string) =>
    refusalOf(
      owner.setAcl({ operation: newOperation(), mailboxId: mailbox.id, identifier, mode: 'replace', rights }),
    );
  for (let at = 0; at < 100; at++) assert.equal(await set(`group=g${at}`, 'l'), 'done');
  assert.equal(await set('group=more', 'l'), 'limitReached');
  assert.equal(await set('group=g5', 'lr'), 'done');
  assert.equal(await set('group=g5', ''), 'done');
  assert.equal(await set('group=more', 'l'), 'done');
  assert.equal(await set(`group=${'x'.repeat(500)}`, 'l'), 'invalidArgument');
  assert.equal(await set('group=', 'l'), 'invalidArgument');
  assert.equal(await set('also@example.test', 'l'), 'permissionDenied');
});

test('store check makes lost rows again, takes stale ones away, and lets nobody in by a damaged list', async () => {
  await using fixture = await openFixture();
  const { hosts, engine, give, mailbox } = fixture;
  await give('lr');
  const host = await hosts.host(testAccountId);
  const check = (repair: boolean): Promise<string[]> => storeCheckFindings(fixture, repair);
  assert.deepEqual(await check(false), []);
  const { key } = sharedWithRow(actor, testAccountId);
  const stale = sharedWithRow('nobody@example.test', testAccountId);
  const orphan = sharedWithRow(actor, 'goneaccountgonea' as AccountId);
  const fence = hosts.fenceOf(testAccountId);
  await engine.commit({ fence, deletes: [key], puts: [stale, orphan] });
  await engine.commit({ puts: [{ key: host.writer.state!.keys.acl(999), value: Buffer.from('x') }] });
  const expected = [
    'a list of rights of mailbox 999, which is not there',
    'somebody could not find the mailboxes that are shared with him',
    'somebody was led to mailboxes that are not shared with him',
    'somebody was led to mailboxes that are not shared with him',
  ];
  assert.deepEqual(
    await check(false),
    expected.map((what) => `reported: ${what}`),
  );
  assert.deepEqual(
    await check(true),
    expected.map((what) => `repaired: ${what}`),
  );
  assert.deepEqual(await check(true), []);
  assert.deepEqual(await sharedWithRows(engine), [`${actor} ${testAccountId}`]);
  // Damaged while the account was not open: the list is set aside.
  const { keys } = (await hosts.host(testAccountId)).writer.state!;
  await unloadAccount(hosts);
  await engine.commit({ puts: [{ key: keys.acl(mailbox.id), value: Buffer.from('damaged') }] });
  const repaired = await check(true);
  assert(
    repaired.some((finding) => finding.startsWith('setAside')),
    repaired.join('\n'),
  );
  assert.equal((await fixture.port.findMailbox({ id: mailbox.id }))?.rights, undefined);
  assert.deepEqual(await check(true), []);
});
