// Sessions that are ended at the moment at which nobody can tell them: their account has left its host, and they have not
// found the next one yet.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shardOf } from '../account/shard.ts';
import { openMemoryBlobStore } from '../account/testing.ts';
import type { InternalDirectory } from '../directory/internal-directory.ts';
import { fromHere, openTestDirectory } from '../directory/testing.ts';
import type { AccountId } from '../mail/ids.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import { deliver, listen, TestNodes } from './testing-account-nodes.ts';

const address = 'alice@example.test';
const everything = ['imap', 'pop3', 'smtp', 'http', 'managesieve'] as const;

interface Ending {
  readonly what: string;
  readonly happens: (directory: InternalDirectory, id: AccountId) => Promise<void>;
  /** What a login needs afterwards. */
  readonly password: string;
}

const endings: readonly Ending[] = [
  {
    what: 'a new password',
    happens: (directory, id) => directory.setPassword(id, 'the second'),
    password: 'the second',
  },
  {
    what: 'an account that is disabled for a moment',
    happens: async (directory, id) => {
      await directory.setAccount(id, { enabled: false });
      await directory.setAccount(id, { enabled: true });
    },
    password: 'the first',
  },
  {
    what: 'a service that is switched off for a moment',
    happens: async (directory, id) => {
      await directory.setAccount(id, { services: ['smtp'] });
      await directory.setAccount(id, { services: everything });
    },
    password: 'the first',
  },
  {
    what: 'a domain that is disabled for a moment',
    happens: async (directory) => {
      await directory.setDomain('example.test', { enabled: false });
      await directory.settled();
      await directory.setDomain('example.test', { enabled: true });
    },
    password: 'the first',
  },
];

for (const { what, happens, password } of endings) {
  test(`${what} between two hosts of the account ends its sessions on every node, and none that began later`, async () => {
    const engine = openMemoryEngine();
    let ended = async (_id: AccountId): Promise<void> => {};
    const hooks = {
      onSessionsEnded: (id: AccountId) => ended(id),
      onAccountChanged: ({ id }: { id: AccountId }) => ended(id),
    };
    const { directory } = await openTestDirectory({ hooks }, engine);
    const { id } = await directory.addAccount({ address, password: 'the first' });
    await using nodes = await TestNodes.open({
      names: ['a', 'b', 'f'],
      storage: { engine, blobs: openMemoryBlobStore(engine) },
      sessionEpochs: (...asked) => directory.sessionEpoch(...asked),
    });
    await nodes.give(shardOf(id), 'a');
    await nodes.node('a').hosts.create(id);
    const session = async (node: string, given: string) => {
      const credentials = { user: address, password: given, authorizationId: '' };
      const { sessionEpoch: epoch } = await directory.verifyPassword(credentials, fromHere);
      const port = await nodes.node(node).accounts.open(id);
      const watch = listen(port, { service: 'imap', count: () => 1, epoch });
      await watch.until(({ type }) => type === 'mailboxes');
      return { port, watch };
    };
    const old = [await session('a', 'the first'), await session('f', 'the first')];
    // The next host has the account, and neither session knows where when the event comes and is over.
    nodes.node('b').relay.freeze();
    await nodes.move(shardOf(id), 'b');
    let events = 0;
    ended = async (account) => {
      events++;
      await nodes.node('b').accounts.endSessions(account);
    };
    await happens(directory, id);
    assert.ok(events > 0);
    const later = await session('b', password);
    nodes.node('b').relay.thaw();
    await Promise.all(old.map(({ watch }) => watch.until(({ type }) => type === 'closed')));
    const latest = await session('f', password);
    const { modSeq } = await deliver(latest.port);
    for (const { watch } of [later, latest]) {
      await watch.until((event) => event.type === 'mailbox' && event.modSeq >= modSeq);
      assert.ok(!watch.events.some(({ type }) => type === 'closed'));
      watch.stop();
    }
    await directory[Symbol.asyncDispose]();
  });
}

test('a domain that is disabled ends the sessions of its accounts on every node, and those of no other domain', async () => {
  const engine = openMemoryEngine();
  let ended = async (_id: AccountId): Promise<void> => {};
  const hooks = { onSessionsEnded: (id: AccountId) => ended(id) };
  const { directory } = await openTestDirectory({ hooks }, engine);
  await directory.addDomain({ name: 'other.test' });
  await using nodes = await TestNodes.open({
    names: ['a', 'b', 'f'],
    storage: { engine, blobs: openMemoryBlobStore(engine) },
    sessionEpochs: (...asked) => directory.sessionEpoch(...asked),
  });
  // Told at the node where the domain is disabled, which hosts neither account and has no session.
  ended = (id) => nodes.node('b').accounts.endSessions(id);
  const sessions = async (user: string) => {
    const { id } = await directory.addAccount({ address: user, password: 'the first' });
    await nodes.give(shardOf(id), 'a');
    await nodes.node('a').hosts.create(id);
    const { sessionEpoch: epoch } = await directory.verifyPassword(
      { user, password: 'the first', authorizationId: '' },
      fromHere,
    );
    const onNode = async (node: string) => {
      const port = await nodes.node(node).accounts.open(id);
      const watch = listen(port, { service: 'imap', count: () => 1, epoch });
      await watch.until(({ type }) => type === 'mailboxes');
      return { port, watch };
    };
    return [await onNode('a'), await onNode('f')];
  };
  const mine = [...(await sessions(address)), ...(await sessions('bob@example.test'))];
  const others = await sessions('carol@other.test');
  await directory.setDomain('example.test', { enabled: false });
  await Promise.all(mine.map(({ watch }) => watch.until(({ type }) => type === 'closed')));
  const { modSeq } = await deliver(others[0]!.port);
  for (const { watch } of others) {
    await watch.until((event) => event.type === 'mailbox' && event.modSeq >= modSeq);
    assert.ok(!watch.events.some(({ type }) => type === 'closed'));
    watch.stop();
  }
  await directory[Symbol.asyncDispose]();
});
