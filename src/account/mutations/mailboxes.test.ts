// RENAME of a mailbox with thousands in it: one commit, for which nobody else waits.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slowTurns } from '../../base/testing-turns.ts';
import { MailError } from '../../mail/mail-error.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import type { AccountPort } from '../port.ts';
import { failingEngine, newOperation, openTestHosts, testAccountId } from '../testing.ts';

const inferiors = 5_000;
/** Names are looked at, and then changed, by 256, rows written by 512. */
const looks = 2 * Math.floor(inferiors / 256) + Math.floor(inferiors / 512);
/** Of slowTurns. */
const looksPerTurn = 6;

async function createAll(account: AccountPort, names: readonly string[]): Promise<void> {
  for (const name of names) await account.createMailbox({ operation: newOperation(), name });
}

test('a rename with thousands of mailboxes gives others their turns, who see it done or not at all', async () => {
  const clock = slowTurns();
  let turnsBeforeCommit = 0;
  const noted = () => {
    turnsBeforeCommit = clock.turnsGiven;
    return undefined;
  };
  const full = () => new MailError('storageFull', 'no room');
  await using memory = openMemoryEngine();
  const engine = failingEngine(memory, noted, full);
  const limits = { indexMessagesMin: 1e9 };
  const { hosts } = await openTestHosts({ engine, clock, limits });
  const account = await hosts.open(testAccountId);
  const names = Array.from({ length: inferiors }, (_, index) => `a/b${index}`);
  await createAll(account, names);

  const turnsBefore = clock.turnsGiven;
  let renamed = false;
  const renaming = account.renameMailbox({ operation: newOperation(), from: 'a', to: 'y/z' }).finally(() => {
    renamed = true;
  });
  let looked = 0;
  while (!renamed) {
    await clock.nextTurn();
    const { mailboxes } = await account.listMailboxes();
    const moved = mailboxes.filter(({ name }) => name.startsWith('y/z/')).length;
    assert.ok(moved === 0 || moved === inferiors, `${moved} of ${inferiors} are renamed`);
    looked++;
  }
  await renaming;
  const turns = turnsBeforeCommit - turnsBefore;
  assert.ok(
    turns >= Math.floor(looks / looksPerTurn),
    `${turns} turns given before the commit, ${looks} looks`,
  );
  assert.ok(clock.turnsGiven > turnsBeforeCommit, 'and one before memory follows');
  assert.ok(looked > turns, `${looked} others looked`);
  const { mailboxes } = await account.listMailboxes();
  const expected = names.map((name) => `y/z${name.slice(1)}`);
  const found = mailboxes.map(({ name }) => name).filter((name) => name.startsWith('y/z/'));
  assert.deepEqual(found.sort(), expected.sort());
  await hosts.close();
});
