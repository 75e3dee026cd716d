// The account against a model too simple to be wrong, with several sessions that follow by changesSince.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { flagNames } from '../mail/flags.ts';
import type { MailboxId } from '../mail/ids.ts';
import { Model, mailboxIds, named, perform, Session, sessionCount, step } from './account-model-contract.ts';
import type { AccountPort } from './port.ts';
import { openTestHosts, testAccountId, unloadAccount } from './testing.ts';
import { refusedWith, testEngines } from './testing-engines.ts';

async function checkModel(account: AccountPort, ids: readonly MailboxId[], model: Model): Promise<void> {
  const emails = new Set<number>();
  const emailOf = new Map<number, number>();
  for (const [index, id] of ids.entries()) {
    const info = (await account.findMailbox({ id }))!;
    const columns = await account.columns(id, undefined);
    const held = model.boxes[index]!.messages;
    assert.deepEqual([...columns.uids], [...held.keys()]);
    assert.equal(info.uidNext, model.boxes[index]!.next);
    let position = 0;
    for (const message of held.values()) {
      const names = flagNames(columns.flagsLow[position]!, columns.flagsHigh[position]!, info.keywords);
      assert.equal(named(names), named(message.flags));
      // The same email here if and only if it is the same in the model.
      const email = columns.emailIds[position++]!;
      assert.equal(emailOf.get(message.email) ?? email, email);
      emailOf.set(message.email, email);
      emails.add(message.email);
    }
    const count = (name: string) => [...held.values()].filter((message) => message.flags.has(name)).length;
    assert.deepEqual(
      [info.messages, info.unseen, info.deleted],
      [held.size, held.size - count('\\Seen'), count('\\Deleted')],
    );
  }
  assert.equal(new Set(emailOf.values()).size, emails.size);
  assert.equal((await account.quota()).messagesUsed, emails.size);
}

for (const [kind, withEngine] of testEngines) {
  const numRuns = kind === 'memory' ? 60 : 8;
  const limits = { tombstonesInMemoryMax: 3, messagesPerCommit: 1000 };

  test(`any mutations give what the model gives, and sessions follow (${kind})`, () =>
    withEngine(async (engine) => {
      const { hosts } = await openTestHosts({ engine, limits, create: false });
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 20 }),
          async (groups) => {
            await hosts.create(testAccountId);
            const account = await hosts.open(testAccountId);
            const ids = await mailboxIds(account);
            const model = new Model();
            const sessions = Array.from({ length: sessionCount }, () => new Session());
            for (const group of groups) {
              // A group's mutations are given at once: they are decided in this order, in one commit or several.
              const performed = group.map((given) => {
                const fits = model.fits(given);
                if (fits) model.apply(given);
                // A copy leaves behind what does not fit: which of it, is not the model's business.
                else if (given.type === 'copy') return undefined;
                const performing = perform(account, ids, given);
                return fits ? performing : assert.rejects(performing, refusedWith('tooManyKeywords'));
              });
              await Promise.all(performed);
              for (const given of group) {
                if (given.type === 'sync') await sessions[given.session]!.follow(account, ids);
                if (given.type === 'unload') await unloadAccount(hosts);
              }
            }
            await checkModel(account, ids, model);
            for (const session of sessions) {
              await session.follow(account, ids);
              for (const [index, view] of session.views.entries()) {
                const expected = new Map(
                  [...model.boxes[index]!.messages].map(([uid, message]) => [uid, named(message.flags)]),
                );
                assert.deepEqual(new Map([...view].sort(([a], [b]) => a - b)), expected);
              }
            }
            await unloadAccount(hosts);
            await checkModel(account, ids, model);
            await hosts.remove(testAccountId);
          },
        ),
        { numRuns },
      );
      await hosts.close();
    }));
}
