// The cell an account is in is looked up before anything of the account is opened, by whichever way somebody comes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deliveriesThrough } from '../account/delivery.ts';
import { shardOf } from '../account/shard.ts';
import { newMessage, newOperation, openTestHosts } from '../account/testing.ts';
import { silentLog } from '../base/log.ts';
import { storedCellOf } from '../directory/account-cell.ts';
import { decodeRow, keys } from '../directory/rows.ts';
import { fromHere, openTestDirectory, writeCell } from '../directory/testing.ts';
import type { AccountId, Epoch } from '../mail/ids.ts';
import { isMailError, MailError } from '../mail/mail-error.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import { HostedAccounts } from './hosted-accounts.ts';
import { LocatedAccounts } from './located-accounts.ts';

const address = 'alice@example.test';
const password = 'the first';
const credentials = { user: address, password, authorizationId: '' };

/** A node of the cell `main` with the account, whose storage is not made yet. */
async function openNode() {
  const memory = openMemoryEngine();
  const reads: Buffer[] = [];
  const engine = new Proxy(memory, {
    get: (target, name) => {
      if (name !== 'get') return Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name);
      return (key: Uint8Array) => {
        reads.push(Buffer.from(key));
        return target.get(key);
      };
    },
  });
  const { directory } = await openTestDirectory({}, engine);
  const { id } = await directory.addAccount({ address, password });
  const { hosts } = await openTestHosts({ engine: memory, create: false });
  let asked = 0;
  const cellOf = (account: AccountId) => {
    asked++;
    return directory.cellOf(account);
  };
  const accounts = new LocatedAccounts(hosts, { directory, cells: { own: 'main', cellOf } });
  return {
    id,
    memory,
    directory,
    hosts,
    accounts,
    asked: () => asked,
    accountReads: () => reads.filter((key) => key.equals(keys.account(id))).length,
    async [Symbol.asyncDispose]() {
      await hosts.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

function delivery() {
  return { operation: newOperation(), message: newMessage(), detail: undefined };
}

test('an account is in the cell of the node that made it, and in no other by a change', async () => {
  const { directory } = await openTestDirectory();
  assert.equal((await directory.addAccount({ address, password })).cell, 'main');
  await directory[Symbol.asyncDispose]();

  const engine = openMemoryEngine();
  const { directory: western } = await openTestDirectory({}, engine, undefined, 'west');
  const { id, cell } = await western.addAccount({ address, password });
  assert.equal(cell, 'west');
  const change = { fullName: 'Alice', cell: 'main' };
  assert.equal((await western.setAccount(id, change)).cell, 'west');
  assert.deepEqual([await western.cellOf(id), await storedCellOf(engine, id)], ['west', 'west']);
  const nobody = 'aaaaaaaaaaaaaaaa' as AccountId;
  assert.deepEqual(
    [await western.cellOf(nobody), await storedCellOf(engine, nobody)],
    [undefined, undefined],
  );
  await western[Symbol.asyncDispose]();
});

test('a row of before there were cells is of the first one, and opens there', async () => {
  await using node = await openNode();
  await writeCell(node.memory, node.id, undefined);
  const row = decodeRow<{ cell: string }>(
    'directoryAccount',
    (await node.memory.get(keys.account(node.id)))!,
  );
  assert.equal('cell' in row, false);
  assert.equal((await node.directory.account(node.id))?.cell, 'main');
  assert.equal(await storedCellOf(node.memory, node.id), 'main');
  await deliveriesThrough(node.accounts).deliver(node.id, delivery());
  const inbox = await (await node.accounts.open(node.id)).findMailbox({ role: 'inbox' });
  assert.equal(inbox?.messages, 1);
});

test('an account of another cell is refused by every way in, and no storage is made for it', async () => {
  await using node = await openNode();
  const { id, accounts, hosts } = node;
  await writeCell(node.memory, id, 'west');
  const refusal = new MailError('unavailable', 'the account is in cell west, and this node is of cell main');
  await assert.rejects(accounts.open(id), refusal);
  await assert.rejects(deliveriesThrough(accounts).deliver(id, delivery()), refusal);
  // What other nodes and those of the outer zone come to. Not NotHostedHere: nobody is to look for it at other nodes.
  const epoch = 1 as Epoch;
  const hosted = new HostedAccounts({ accounts, hosts, leases: { epochOf: () => epoch }, log: silentLog });
  hosted.onShardOpened(shardOf(id), epoch);
  await assert.rejects(hosted.check(id), refusal);
  await assert.rejects(hosted.deliver(id, delivery()), refusal);
  await assert.rejects(hosted.call(id, { method: 'listMailboxes', given: [], actor: undefined }), refusal);
  await assert.rejects(hosted.watch(id, { since: undefined, told: () => {}, moved: () => {} }), refusal);
  await assert.rejects(hosts.open(id), (error) => isMailError(error, 'noSuchAccount'));

  await assert.rejects(
    node.directory.removeAccount(id),
    new MailError('unavailable', 'the account is in another cell, west'),
  );
  await writeCell(node.memory, id, 'main');
  await accounts.open(id);
});

test('the lookup costs no read after a login, and nothing while the account is in memory', async () => {
  await using node = await openNode();
  node.directory.forgetReads();
  await node.directory.verifyPassword(credentials, fromHere);
  const readsBefore = node.accountReads();
  assert.ok(readsBefore > 0);
  await node.hosts.create(node.id);
  await node.accounts.open(node.id);
  assert.deepEqual([node.accountReads(), node.asked()], [readsBefore, 1]);
  for (let each = 0; each < 3; each++) {
    await node.accounts.open(node.id);
    await deliveriesThrough(node.accounts).deliver(node.id, delivery());
  }
  assert.equal(node.asked(), 1);
});
