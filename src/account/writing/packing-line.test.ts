// Mailboxes that wait to be packed: in line while there is no quiet moment, at once when they are too many or have too much.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Clock, systemClock } from '../../base/clock.ts';
import type { MailboxId } from '../../mail/ids.ts';
import { BackgroundPace } from '../background-pace.ts';
import { AccountKeys } from '../records/account-keys.ts';
import { pageUids } from '../table/message-page.ts';
import { newMessage, newOperation, openTestHosts, testAccountId } from '../testing.ts';
import { PackingLine, type WaitingMailbox } from './packing-line.ts';

/** A clock whose rests last until they are ended, one by one. */
function heldClock(): { readonly clock: Clock; endRest(): Promise<void> } {
  const resting: (() => void)[] = [];
  const sleep = (): Promise<void> => new Promise((resolve) => void resting.push(resolve));
  const endRest = async (): Promise<void> => {
    // A second rest follows when the loop is found busy.
    for (let resume = resting.shift(); resume !== undefined; resume = resting.shift()) {
      resume();
      await Promise.resolve();
    }
    await nextTurn();
  };
  return { clock: { ...systemClock, sleep }, endRest };
}

function mailbox(name: string, packed: string[], filled = 1): WaitingMailbox {
  const pack: WaitingMailbox['pack'] = async (howMuch) => void packed.push(`${name} ${howMuch}`);
  return { filled, pack };
}

test('mailboxes are packed one after the other, each after a rest', async () => {
  const { clock, endRest } = heldClock();
  const line = new PackingLine(new BackgroundPace(clock));
  const packed: string[] = [];
  const first = mailbox('a', packed);
  for (const one of [first, mailbox('b', packed), first]) line.wait(one);
  await nextTurn();
  assert.deepEqual(packed, []);
  await endRest();
  assert.deepEqual(packed, ['a some']);
  await endRest();
  assert.deepEqual(packed, ['a some', 'b some']);
});

test('who has many filled pages does not wait, nor the first one when too many do', async () => {
  const line = new PackingLine(new BackgroundPace(heldClock().clock));
  const packed: string[] = [];
  line.wait(mailbox('full', packed, 8));
  assert.deepEqual(packed, ['full all']);
  for (let index = 0; index < 1_000; index++) line.wait(mailbox(`${index}`, packed, 7));
  assert.deepEqual(packed, ['full all']);
  line.wait(mailbox('last', packed));
  assert.deepEqual(packed, ['full all', '0 all']);
});

test('packing comes before others that wait for their turn', async () => {
  const { clock, endRest } = heldClock();
  const pace = new BackgroundPace(clock);
  const line = new PackingLine(pace);
  const done: string[] = [];
  const works = ['first', 'second'].map((name) => pace.inTurn(async () => void done.push(name)));
  line.wait(mailbox('a', done));
  for (let rest = 0; rest < 3; rest++) await endRest();
  assert.deepEqual(done, ['first', 'a some', 'second']);
  await Promise.all(works);
});

test('full pages wait as rows while there is no quiet moment, and are packed at once when they are eight', async () => {
  const { clock } = heldClock();
  const { hosts, engine } = await openTestHosts({ clock });
  const account = await hosts.open(testAccountId);
  const id = (await account.findMailbox({ role: 'inbox' }))!.id as MailboxId;
  const keys = new AccountKeys(testAccountId);
  const one = newMessage();
  // So few at a time that each is written as a row.
  const deliver = async (messages: number): Promise<void> => {
    const append = () => account.append({ operation: newOperation(), target: { id }, messages: [one] });
    for (let left = messages; left > 0; left -= 8)
      await Promise.all(Array.from({ length: Math.min(8, left) }, append));
  };
  const stored = async (): Promise<{ rows: number; pages: number }> => {
    const limits = { entriesMax: 10_000, bytesMax: 1e9 };
    const rows = (await engine.page(keys.messages(id), limits)).entries.length;
    return { rows, pages: (await engine.page(keys.messagePages(id), limits)).entries.length };
  };
  await deliver(7 * pageUids);
  assert.deepEqual(await stored(), { rows: 7 * pageUids, pages: 0 });
  await deliver(pageUids);
  // Behind the packing in the account's line.
  await deliver(1);
  assert.deepEqual(await stored(), { rows: 2, pages: 8 });
  // Who closes the account does not wait for a quiet moment.
  await deliver(pageUids);
  await hosts.close();
  assert.deepEqual(await stored(), { rows: pageUids + 2, pages: 8 });
});
