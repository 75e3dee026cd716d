// Kills a process that changes an account at random moments, and looks at what it left: everything acknowledged is there,
// what was under way is there whole or not at all and can be retried, removed accounts leave nothing, blobs and links agree, no uid and no mod-sequence is ever given twice, and
// a store check finds nothing. CRASH_ROUNDS=N runs N rounds, CRASH_SEED=N a certain series; each goes on with the store
// that the one before left.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkStore } from '../../src/account/check/store-check.ts';
import type { AccountPort } from '../../src/account/port.ts';
import { decodeEmail } from '../../src/account/records/email-record.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { type Random, seededRandom, systemRandom } from '../../src/base/random.ts';
import { flagNames } from '../../src/mail/flags.ts';
import type { AccountId } from '../../src/mail/ids.ts';
import { isMailError } from '../../src/mail/mail-error.ts';
import { tuplePrefixRange } from '../../src/storage/tuple.ts';
import {
  accountId,
  type CrashStore,
  type Done,
  type Intent,
  messageOf,
  openCrashStore,
  performIntent,
} from './account-load.ts';

const rounds = Number(process.env.CRASH_ROUNDS ?? 65);
const seed = Number(process.env.CRASH_SEED ?? systemRandom.integer(2 ** 31));
const childFile = fileURLToPath(new URL('./account-crash-child.ts', import.meta.url));
const linesMax = 400;

interface Change {
  readonly intent: Intent;
  done: Done | undefined;
}

interface Heard {
  readonly changes: Change[];
  /** Accounts that came, with whether their removal was acknowledged. */
  readonly passing: Map<AccountId, boolean>;
}

/** What the killed process intended, in order, with what of it was acknowledged. */
async function runAndKill(directory: string, random: Random): Promise<Heard> {
  const childSeed = String(random.integer(2 ** 31));
  const child = spawn(process.execPath, [childFile, directory, childSeed], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const killAfter = 1 + random.integer(linesMax);
  let output = '';
  let lines = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    lines += text.split('\n').length - 1;
    if (lines >= killAfter) child.kill('SIGKILL');
  });
  const signal = await new Promise((resolve) => child.on('close', (_code, how) => resolve(how)));
  assert.equal(signal, 'SIGKILL', 'the child ended by itself');
  const changes = new Map<string, Change>();
  const passing = new Map<AccountId, boolean>();
  // The last line may be cut.
  for (const line of output.split('\n').slice(0, -1)) {
    const said = JSON.parse(line) as Said;
    if ('passing' in said) passing.set(said.passing.accountId, false);
    else if ('gone' in said) passing.set(said.gone.accountId, true);
    else if ('intent' in said) changes.set(said.intent.operation, { intent: said.intent, done: undefined });
    else changes.get(said.operation)!.done = said.done;
  }
  return { changes: [...changes.values()], passing };
}

type Said =
  | { intent: Intent }
  | { operation: string; done: Done }
  | { passing: { accountId: AccountId } }
  | { gone: { accountId: AccountId } };

interface Message {
  readonly text: string;
  readonly keyword: string;
}

/** The mailbox's messages as they are, each compared byte for byte with what its token says. */
async function readBox(account: AccountPort, id: Intent['box']): Promise<Map<number, Message>> {
  const found = new Map<number, Message>();
  const { info, uids } = await account.openMailbox({ id }, { claimRecent: false });
  const columns = await account.columns(id, undefined);
  for (let at = 0; at < uids.length; ) {
    const messages = await account.readMessages(id, uids.subarray(at), 4_000_000);
    for (const { uid, bytes, size } of messages) {
      assert.ok(bytes !== undefined && bytes.length === size, `message ${uid} is cut`);
      const text = Buffer.from(bytes).toString('latin1');
      const [, token, index] = /^Subject: (.*)\/(\d+)\r$/m.exec(text)!;
      const body = size - text.indexOf('\r\n\r\n') - 4;
      assert.equal(text, messageOf(token!, Number(index), body).toString('latin1'));
      const keyword = flagNames(columns.flagsLow[at]!, columns.flagsHigh[at]!, info.keywords).join(' ');
      found.set(uid, { text: `${token}/${index}`, keyword });
      at++;
    }
  }
  return found;
}

/** Over all rounds: what was ever given. */
class Ledger {
  readonly #uids = new Set<string>();
  readonly #modSeqs = new Set<number>();
  modSeqMax = 0;

  giveUids(box: number, uids: readonly number[]): void {
    for (const uid of uids) {
      assert.ok(!this.#uids.has(`${box}/${uid}`), `uid ${uid} of mailbox ${box} was given twice`);
      this.#uids.add(`${box}/${uid}`);
    }
  }

  giveModSeq(modSeq: number): void {
    assert.ok(!this.#modSeqs.has(modSeq), `mod-sequence ${modSeq} was given twice`);
    this.#modSeqs.add(modSeq);
    this.modSeqMax = Math.max(this.modSeqMax, modSeq);
  }
}

function note(ledger: Ledger, { intent, done }: Change): void {
  if (done === undefined || done.uids.length === 0) return;
  if (intent.type === 'append') ledger.giveUids(intent.box, done.uids);
  if (intent.type === 'copy' || intent.type === 'move') ledger.giveUids(intent.to, done.uids);
  // A STORE of messages that had the flags answers with an old one, and long changes take several.
  if (intent.type === 'append') ledger.giveModSeq(done.modSeq);
}

/** Each message is one client's, who waits for each answer: so its last acknowledged change is what must be seen. */
function checkAcknowledged(
  changes: readonly Change[],
  boxes: ReadonlyMap<number, Map<number, Message>>,
): void {
  const intended = (box: number, uid: number, after: number, types: readonly Intent['type'][]) =>
    changes
      .slice(after + 1)
      .filter(
        ({ intent }) =>
          types.includes(intent.type) && intent.box === box && 'uids' in intent && intent.uids.includes(uid),
      );
  for (const [position, { intent, done }] of changes.entries()) {
    if (done === undefined) continue;
    const box = intent.type === 'copy' || intent.type === 'move' ? intent.to : intent.box;
    for (const [index, uid] of done.uids.entries()) {
      const there = boxes.get(box)!.get(uid);
      if (intent.type === 'expunge') {
        assert.equal(there, undefined, `expunged message ${uid} is there`);
        continue;
      }
      if (intended(box, uid, position, ['expunge', 'move']).length > 0) continue;
      assert.ok(there !== undefined, `message ${uid} of ${intent.type} ${intent.operation} is lost`);
      if (intent.type === 'append') assert.equal(there.text, `${intent.token}/${index}`);
      if (intent.type !== 'flags') continue;
      const later = intended(box, uid, position, ['flags']).map(
        (change) => (change.intent as { keyword: string }).keyword,
      );
      assert.ok(
        [intent.keyword, ...later].includes(there.keyword),
        `flags of message ${uid} are neither old nor new`,
      );
    }
    if (intent.type === 'move') {
      for (const uid of intent.uids)
        assert.equal(boxes.get(intent.box)!.get(uid), undefined, 'moved, but still there');
    }
  }
}

/** Appends are whole or not there; done again under the same id they are there once. */
async function retry(account: AccountPort, { intent }: Change): Promise<void> {
  if (intent.type !== 'append') return;
  const count = async () => {
    const found = [...(await readBox(account, intent.box)).values()];
    return found.filter(({ text }) => text.startsWith(`${intent.token}/`)).length;
  };
  assert.ok([0, intent.sizes.length].includes(await count()), 'an append is there in part');
  await performIntent(account, intent);
  assert.equal(await count(), intent.sizes.length);
}

/** Removed accounts left nothing; a removal that was cut off can be finished, and then leaves nothing either. */
async function checkPassing(
  { engine, hosts }: CrashStore,
  passing: ReadonlyMap<AccountId, boolean>,
): Promise<void> {
  for (const [accountId, removed] of passing) {
    const rows = async () =>
      (await engine.page(tuplePrefixRange(['a', accountId]), { entriesMax: 1, bytesMax: 1 })).entries.length;
    if (removed) assert.equal(await rows(), 0, `account ${accountId} was removed and is there`);
    await hosts.remove(accountId).catch((error: unknown) => {
      if (!isMailError(error, 'noSuchAccount')) throw error;
    });
    assert.equal(await rows(), 0, `account ${accountId} left something`);
  }
}

/** No blob is without a link after collecting, each is readable, and there are as many links as emails that have one. */
async function checkBlobs({ engine, blobs }: CrashStore): Promise<void> {
  await blobs.collect();
  let links = 0;
  for await (const blob of blobs.list()) {
    assert.ok(blob.links > 0, 'a blob without a link is there after collecting');
    assert.equal(await blobs.verify(blob.digest), 'sound');
    links += blob.links;
  }
  const all = await engine.page(tuplePrefixRange(['blobLink']), { entriesMax: 1e6, bytesMax: 1e9 });
  assert.equal(all.entries.length, links, 'a link is left of a blob that went');
  const emails = await engine.page(tuplePrefixRange(['a', accountId, 'e']), {
    entriesMax: 1e6,
    bytesMax: 1e9,
  });
  const inBlobs = emails.entries.filter(({ value }) => !decodeEmail(value).inline);
  assert.equal(links, inBlobs.length, 'links and emails do not agree');
}

async function checkRound(store: CrashStore, { changes, passing }: Heard, ledger: Ledger): Promise<void> {
  await checkPassing(store, passing);
  await checkBlobs(store);
  for await (const event of checkStore({ ...store, clock: systemClock, log: silentLog, repair: false })) {
    assert.notEqual(event.type, 'finding', JSON.stringify(event));
  }
  const account = await store.account();
  for (const change of changes) note(ledger, change);
  const { mailboxes, modSeq } = await account.listMailboxes();
  assert.ok(modSeq >= ledger.modSeqMax, 'a mod-sequence would be given again');
  const boxes = new Map<number, Map<number, Message>>();
  for (const { id } of mailboxes.slice(0, 2)) boxes.set(id, await readBox(account, id));
  checkAcknowledged(changes, boxes);
  for (const change of changes) if (change.done === undefined) await retry(account, change);
}

/** Keeps the store small, so that a long series does not get slower. */
async function empty(account: AccountPort, round: number): Promise<void> {
  for (const { id } of (await account.listMailboxes()).mailboxes.slice(0, 2)) {
    const operation = `empty-${round}-${id}` as Intent['operation'];
    await account.expunge({ operation, mailboxId: id, uids: undefined, anyFlags: true });
  }
}

test(`an account survives ${rounds} kills (CRASH_SEED=${seed})`, { timeout: rounds * 20_000 }, async (t) => {
  const random = seededRandom(seed);
  const directory = mkdtempSync(join(tmpdir(), 'rookery-account-crash-'));
  const ledger = new Ledger();
  let acknowledged = 0;
  let round = 0;
  t.after(() => t.diagnostic(`${round} rounds without a finding`));
  try {
    for (; round < rounds; round++) {
      const heard = await runAndKill(directory, random);
      acknowledged += heard.changes.filter(({ done }) => done !== undefined).length;
      const store = await openCrashStore(directory);
      try {
        await checkRound(store, heard, ledger);
        if (round % 4 === 3) await empty(await store.account(), round);
      } finally {
        await store.close();
      }
    }
    t.diagnostic(`${acknowledged} acknowledged changes, all found`);
    assert.ok(acknowledged > rounds, 'nothing was shown');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
