// NOTIFY (RFC 5465) when the account changes, or goes away, while the session looks at it to tell what changed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountPort, AccountPorts, MailboxTarget } from '../../src/account/port.ts';
import { newMessage, newOperation } from '../../src/account/testing.ts';
import { MailError } from '../../src/mail/mail-error.ts';
import { openHarness } from './harness.ts';
import { ImapClient } from './imap-client.ts';
import { imapFor } from './imap-server.ts';

type Looking = 'findMailbox' | 'listMailboxes';

/** A watching session, and what happens when it looks at the account next: behind a look for one, before one at all. */
async function interrupted() {
  const harness = await openHarness();
  const hooks = new Map<Looking, () => Promise<void>>();
  const hook = async (method: Looking): Promise<void> => {
    const happens = hooks.get(method);
    hooks.delete(method);
    await happens?.();
  };
  const watched = (account: AccountPort): AccountPort =>
    new Proxy(account, {
      get(target, name) {
        if (name === 'findMailbox')
          return async (given: MailboxTarget) => {
            const found = await target.findMailbox(given);
            await hook(name);
            return found;
          };
        if (name === 'listMailboxes') return () => hook(name).then(() => target.listMailboxes());
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  const accounts: AccountPorts = {
    open: async (accountId, actor) => watched(await harness.accounts.open(accountId, actor)),
  };
  const { port } = await harness.listen(imapFor(harness, { accounts }));
  const client = await ImapClient.login(port, 'alice');
  await client.send('NOTIFY SET (PERSONAL (MessageNew MessageExpunge FlagChange MailboxName))').ok();
  const account = await harness.account('alice');
  return {
    client,
    account,
    hooks,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await harness[Symbol.asyncDispose]();
    },
  };
}

/** What is told up to this line. */
async function toldUpTo(client: ImapClient, start: string): Promise<string[]> {
  const told: string[] = [];
  while (!told.at(-1)?.startsWith(start)) {
    const line = await client.line();
    assert(line !== undefined, told.join('\n'));
    told.push(line);
  }
  return told;
}

test('messages of a mailbox are never told without its name, whatever happens while it is looked for', async () => {
  await using scene = await interrupted();
  const { client, account, hooks } = scene;
  const inbox = { operation: newOperation(), target: { role: 'inbox' }, messages: [newMessage()] } as const;
  hooks.set('findMailbox', () => account.deleteMailbox({ operation: newOperation(), name: 'gone' }));
  await account.createMailbox({ operation: newOperation(), name: 'gone' });
  await account.append(inbox);
  const gone = await toldUpTo(client, '* STATUS INBOX');
  assert.deepEqual(
    gone.filter((line) => line.startsWith('* STATUS gone')),
    [],
  );
  const renamed = new Promise((resolve) => {
    const rename = { operation: newOperation(), from: 'first', to: 'second' };
    hooks.set('findMailbox', () => account.renameMailbox(rename).then(resolve));
  });
  await account.createMailbox({ operation: newOperation(), name: 'first' });
  await renamed;
  await account.append({ ...inbox, operation: newOperation(), target: { name: 'second' } });
  const told = await toldUpTo(client, '* STATUS second');
  assert.equal(
    told.findIndex((line) => line.startsWith('* STATUS first')),
    -1,
  );
  assert(
    told.some((line) => /^\* LIST .* second/.test(line)),
    told.join('\n'),
  );
});

test('a mailbox that has the name of another one is told with its counts', async () => {
  await using scene = await interrupted();
  const { client, account, hooks } = scene;
  const append = (name: string) =>
    account.append({ operation: newOperation(), target: { name }, messages: [newMessage()] });
  await account.createMailbox({ operation: newOperation(), name: 'm' });
  await append('m');
  await toldUpTo(client, '* STATUS m ');
  hooks.set('listMailboxes', async () => {
    await account.deleteMailbox({ operation: newOperation(), name: 'm' });
    await account.createMailbox({ operation: newOperation(), name: 'm' });
  });
  await account.createMailbox({ operation: newOperation(), name: 'n' });
  await toldUpTo(client, '* LIST (\\HasNoChildren) "/" m');
  await append('INBOX');
  const told = await toldUpTo(client, '* STATUS INBOX');
  assert(told.includes('* STATUS m (MESSAGES 0 UIDNEXT 1 UNSEEN 0)'), told.join('\n'));
});

test('what the account could not be asked for is told with what happens next', async () => {
  await using scene = await interrupted();
  const { client, account, hooks } = scene;
  const failed = new Promise<void>((resolve) => {
    const away = new MailError('unavailable', 'its host is away');
    // Of the mailbox, and of its name.
    hooks.set('listMailboxes', async () => {
      hooks.set('listMailboxes', async () => {
        resolve();
        throw away;
      });
      throw away;
    });
  });
  await account.createMailbox({ operation: newOperation(), name: 'missed' });
  await failed;
  await account.append({ operation: newOperation(), target: { role: 'inbox' }, messages: [newMessage()] });
  const told = await toldUpTo(client, '* STATUS INBOX');
  assert(told.includes('* LIST (\\HasNoChildren) "/" missed'), told.join('\n'));
});
