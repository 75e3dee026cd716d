// The engines that account tests run on, and what such a test starts with.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { flagNames } from '../mail/flags.ts';
import type { MailboxId } from '../mail/ids.ts';
import { isMailError, type MailErrorKind } from '../mail/mail-error.ts';
import type { Engine } from '../storage/engine.ts';
import { openLmdbEngine } from '../storage/lmdb/lmdb-engine.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import type { AccountPort, Appended, MailboxTarget } from './port.ts';
import {
  messageText,
  newMessage,
  newOperation,
  openTestHosts,
  type TestHosts,
  testAccountId,
} from './testing.ts';

/** Calls back with an engine of each kind; closes and removes it afterwards. */
export const testEngines: readonly (readonly [
  name: string,
  run: (body: (engine: Engine) => Promise<void>) => Promise<void>,
])[] = [
  [
    'memory',
    async (body) => {
      const engine = openMemoryEngine();
      await body(engine);
      await engine.close();
    },
  ],
  [
    'lmdb',
    async (body) => {
      const directory = mkdtempSync(join(tmpdir(), 'rookery-account-'));
      const engine = await openLmdbEngine({ directory, log: silentLog, clock: systemClock });
      try {
        await body(engine);
      } finally {
        await engine.close();
        rmSync(directory, { recursive: true });
      }
    },
  ],
];

export interface Fixture extends TestHosts {
  readonly account: AccountPort;
  readonly inbox: MailboxId;
}

/** The same test on every engine. */
export function onEngines(name: string, body: (fixture: Fixture) => Promise<void>, limits = {}): void {
  for (const [kind, withEngine] of testEngines) {
    test(`${name} (${kind})`, () =>
      withEngine(async (engine) => {
        const opened = await openTestHosts({ engine, limits });
        const account = await opened.hosts.open(testAccountId);
        const inbox = (await account.findMailbox({ role: 'inbox' }))!.id;
        await body({ ...opened, account, inbox });
        await opened.hosts.close();
      }));
  }
}

export function refusedWith(kind: MailErrorKind) {
  return (error: unknown) => isMailError(error, kind) || assert.fail(`not ${kind}: ${error}`);
}

export function append(
  account: AccountPort,
  target: MailboxTarget,
  flags: string[] = [],
  text = messageText(),
): Promise<Appended> {
  return account.append({ operation: newOperation(), target, messages: [newMessage(text, flags)] });
}

export async function flagsOf(account: AccountPort, mailboxId: MailboxId): Promise<Record<number, string>> {
  const { keywords } = (await account.findMailbox({ id: mailboxId }))!;
  const { uids, flagsLow, flagsHigh } = await account.columns(mailboxId, undefined);
  const named = [...uids].map((uid, index) => [
    uid,
    flagNames(flagsLow[index]!, flagsHigh[index]!, keywords).join(' '),
  ]);
  return Object.fromEntries(named) as Record<number, string>;
}
