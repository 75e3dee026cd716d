// Random histories of an account, random questions: whatever the index has, lacks, is just making or has lost, a search
// finds what a scan of the bytes finds, and a scan finds every piece of a text that a message plainly has.
// SEARCH_SCAN_RUNS=N makes it longer, SEARCH_SCAN_SEED=N repeats it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { corpusMessages } from '../../../test/corpus/mime-corpus.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { type Random, seededRandom, systemRandom } from '../../base/random.ts';
import { slowTurns } from '../../base/testing-turns.ts';
import type { MailboxId } from '../../mail/ids.ts';
import type { SearchKey } from '../../mail/search-key.ts';
import { unlessDamaged } from '../../storage/record.ts';
import type { LocalAccount } from '../local-account.ts';
import { AccountKeys } from '../records/account-keys.ts';
import { foldText } from '../search/text-folding.ts';
import {
  newMessage,
  newOperation,
  openTestHosts,
  storeCheckFindings,
  type TestHosts,
  testAccountId,
} from '../testing.ts';
import { packColumns, unpackColumns } from './packed-columns.ts';
import { type MadeMessage, madeMessage, madeText, pick, pieceOf } from './testing-messages.ts';
import { scanned } from './testing-scan.ts';

const seed = Number(process.env.SEARCH_SCAN_SEED ?? systemRandom.integer(2 ** 31));
const runs = Number(process.env.SEARCH_SCAN_RUNS ?? 8);
const stepsMax = 50;
const keysPerQuestion = 8;

const keys = new AccountKeys(testAccountId);
const corpus = corpusMessages().map(({ bytes }): MadeMessage => {
  return { bytes, texts: [bytes.toString('latin1')], plainTexts: [] };
});

/** Nobody waits for nothing: the builder's rests are turns of the loop. */
function hastyClock(random: Random): Clock {
  return { ...(random.integer(2) === 0 ? slowTurns() : systemClock), sleep: () => systemClock.nextTurn() };
}

/** What the index can be asked, and what it cannot. */
function madeKey(random: Random, texts: readonly string[], depth = 0): SearchKey {
  const inner = (): SearchKey => madeKey(random, texts, depth + 1);
  const some = (): SearchKey[] => Array.from({ length: random.integer(4) }, inner);
  const kind = random.integer(depth > 3 ? 8 : 14);
  if (kind < 5) return { type: pick(random, ['body', 'text'] as const), text: sought(random, texts) };
  if (kind < 8) {
    const field = pick(random, [
      'Subject',
      'subject',
      'FROM',
      'to',
      'Cc',
      'bcc',
      'x-other',
      'Reply-To',
      'Date',
    ]);
    return { type: 'header', field, text: random.integer(12) === 0 ? '' : sought(random, texts) };
  }
  switch (kind) {
    case 8:
      return { type: 'not', key: inner() };
    case 9:
      return { type: 'or', keys: some() };
    case 10:
      return { type: 'and', keys: some() };
    case 11:
      return { type: 'uids', ranges: [1 + random.integer(5), 6 + random.integer(20)] };
    case 12: {
      const day = pick(random, [Date.UTC(2026, 2, 1) / 86_400_000, Date.UTC(2026, 1, 28) / 86_400_000, -1]);
      return { type: 'date', of: 'sent', compare: pick(random, ['before', 'on', 'since'] as const), day };
    }
    default:
      return { type: 'threadId', threadId: 1 + random.integer(20) };
  }
}

function soughtText(random: Random, texts: readonly string[]): string {
  if (random.integer(10) === 0 || texts.length === 0) return madeText(random, 4);
  const at = random.integer(texts.length);
  if (random.integer(6) > 0) return pieceOf(texts[at]!, random);
  // The end of one and the beginning of the next, which are not the same text.
  const end = texts[at]!.trimEnd().slice(-1 - random.integer(8));
  return end + pick(random, ['', ' ']) + (texts[at + 1] ?? '').trimStart().slice(0, 1 + random.integer(8));
}

function sought(random: Random, texts: readonly string[]): string {
  const text = soughtText(random, texts);
  const changed = random.integer(6) === 0 ? text.toUpperCase() : text;
  return random.integer(8) === 0 ? changed.normalize(pick(random, ['NFC', 'NFD', 'NFKD'] as const)) : changed;
}

class History {
  readonly #random: Random;
  readonly #clock: Clock;
  #opened: TestHosts;
  account!: LocalAccount;
  /** By what its bytes are. */
  readonly #made = new Map<string, MadeMessage>();
  readonly #texts: string[] = [];
  #building: Promise<unknown> = Promise.resolve();
  #names = 0;

  constructor(random: Random, clock: Clock, opened: TestHosts) {
    this.#random = random;
    this.#clock = clock;
    this.#opened = opened;
  }

  async step(): Promise<string> {
    const steps = {
      deliver: () => this.#deliver(),
      // Most often: eight segments are put together.
      segment: () => this.#segment(),
      otherSegment: () => this.#segment(),
      thirdSegment: () => this.#segment(),
      settle: () => this.account.settleIndex(),
      build: () => this.#build(),
      rebuild: () => this.account.rebuildSearchIndex(),
      expunge: () => this.#expunge(),
      copy: () => this.#copy(false),
      move: () => this.#copy(true),
      rename: () => this.#rename(),
      restart: () => this.#restart(),
      age: () => this.#age(),
      damage: () => this.#damage(),
      check: () => this.#check(),
    };
    const name = pick(this.#random, Object.keys(steps) as (keyof typeof steps)[]);
    await steps[name]();
    return name;
  }

  async open(): Promise<void> {
    this.account = await this.#opened.hosts.host(testAccountId);
  }

  async #mailboxes(): Promise<MailboxId[]> {
    return (await this.account.listMailboxes()).mailboxes
      .filter(({ selectable }) => selectable)
      .map(({ id }) => id);
  }

  async #deliver(): Promise<void> {
    const random = this.#random;
    const some = Array.from({ length: 1 + random.integer(6) }, () =>
      corpus.length > 0 && random.integer(8) === 0 ? pick(random, corpus) : madeMessage(random),
    );
    for (const made of some) {
      this.#made.set(made.bytes.toString('latin1'), made);
      this.#texts.push(...made.texts.filter((text) => text !== ''));
    }
    const target = { id: pick(random, await this.#mailboxes()) };
    const messages = some.map(({ bytes }) => newMessage(bytes));
    await this.account.append({ operation: newOperation(), target, messages });
  }

  async #segment(): Promise<void> {
    await this.#deliver();
    await this.account.settleIndex();
  }

  /** Nobody waits for it. */
  async #build(): Promise<void> {
    const { account } = this;
    this.#building = this.#building
      .then(() => account.settleIndex())
      .catch((error: unknown) => {
        assert.match(String(error), /is stopping/);
      });
    for (let turns = this.#random.integer(30); turns > 0; turns--) await systemClock.yieldTurn();
  }

  async #some(mailboxId: MailboxId): Promise<Uint32Array> {
    const { uids } = await this.account.columns(mailboxId, undefined);
    return uids.filter(() => this.#random.integer(3) === 0);
  }

  async #expunge(): Promise<void> {
    const mailboxId = pick(this.#random, await this.#mailboxes());
    const uids = await this.#some(mailboxId);
    await this.account.expunge({ operation: newOperation(), mailboxId, uids, anyFlags: true });
  }

  async #copy(move: boolean): Promise<void> {
    const all = await this.#mailboxes();
    const from = pick(this.#random, all);
    const to = pick(this.#random, all);
    if (from === to) return;
    const uids = await this.#some(from);
    await this.account.copy({ operation: newOperation(), from, uids, to: { id: to }, move });
  }

  async #rename(): Promise<void> {
    const { mailboxes } = await this.account.listMailboxes();
    const { name: from } = pick(this.#random, mailboxes);
    const to = `renamed${++this.#names}`;
    await this.account.renameMailbox({ operation: newOperation(), from, to });
  }

  /** As after a crash: what was not committed is lost. */
  async #restart(): Promise<void> {
    await this.#opened.hosts.close();
    await this.#building;
    this.#opened = await openTestHosts({
      engine: this.#opened.engine,
      blobs: this.#opened.blobs,
      create: false,
      clock: this.#clock,
      limits,
    });
    await this.open();
  }

  /** The index becomes one of an older version: what its rows hold is another thing. */
  async #age(): Promise<void> {
    await this.#opened.hosts.close();
    await this.#building;
    const { engine } = this.#opened;
    const value = await engine.get(keys.searchDirectory());
    const column = value && unlessDamaged(() => unpackColumns(value)[0]);
    if (column !== undefined) {
      const numbers = JSON.parse(column.toString()) as number[];
      numbers[0] = 1 + this.#random.integer(2);
      const { start, end } = keys.rows('i');
      const { entries } = await engine.page({ start, end }, { entriesMax: 1_000, bytesMax: 1e9 });
      const puts = entries.map(({ key }) => ({ key, value: packColumns(Array(5).fill(Buffer.alloc(8))) }));
      puts.push({ key: keys.searchDirectory(), value: packColumns([Buffer.from(JSON.stringify(numbers))]) });
      await engine.commit({ puts });
    }
    await this.#restart();
  }

  /** A row of the index is changed, or lost, while nobody looks. */
  async #damage(): Promise<void> {
    await this.#opened.hosts.close();
    await this.#building;
    const { engine } = this.#opened;
    const { start, end } = keys.rows('i');
    const { entries } = await engine.page({ start, end }, { entriesMax: 1_000, bytesMax: 1e9 });
    if (entries.length > 0) {
      const { key, value } = pick(this.#random, entries);
      const damaged = Buffer.from(value);
      damaged[this.#random.integer(damaged.length)]! ^= 1 << this.#random.integer(8);
      if (this.#random.integer(2) === 0) await engine.commit({ deletes: [key] });
      else await engine.commit({ puts: [{ key, value: damaged }] });
    }
    await this.#restart();
  }

  async #check(): Promise<void> {
    await storeCheckFindings(this.#opened, this.#random.integer(2) === 0);
  }

  async ask(): Promise<void> {
    const random = this.#random;
    for (const mailbox of await this.#mailboxes()) {
      for (let left = keysPerQuestion; left > 0; left--) {
        const key = madeKey(random, this.#texts);
        const [found, expected] = await Promise.all([
          this.account.search(mailbox, key),
          scanned(this.#opened, this.account, { mailbox, key }),
        ]);
        assert.deepEqual([...found], expected, JSON.stringify(key));
      }
      await this.#askForPlainText(mailbox);
    }
  }

  async #askForPlainText(mailbox: MailboxId): Promise<void> {
    const { uids } = await this.account.columns(mailbox, undefined);
    if (uids.length === 0) return;
    const uid = pick(this.#random, [...uids]);
    const [message] = await this.account.readMessages(mailbox, Uint32Array.of(uid), 1e9);
    const made = this.#made.get(Buffer.from(message!.bytes!).toString('latin1'));
    for (const text of made?.plainTexts ?? []) {
      const piece = pieceOf(text, this.#random);
      // A piece without its neighbours can fold to something else: half a character, an accent.
      if (!foldText(text).includes(foldText(piece))) continue;
      const found = await this.account.search(mailbox, { type: 'body', text: piece });
      assert.ok(found.includes(uid), `uid ${uid} has ${JSON.stringify(piece)}`);
    }
  }

  async end(): Promise<void> {
    await this.#building;
    await this.#opened.hosts.close();
  }
}

const limits = { indexMessagesMin: 1, inlineBytesMax: 8 * 1024 };

test(`a search finds what a scan finds (SEARCH_SCAN_SEED=${seed})`, async () => {
  for (let run = 0; run < runs; run++) {
    const random = seededRandom((seed + run) % 2 ** 32);
    const clock = hastyClock(random);
    const history = new History(random, clock, await openTestHosts({ clock, limits }));
    const steps: string[] = [];
    try {
      await history.open();
      await history.account.createMailbox({ operation: newOperation(), name: 'other' });
      for (let left = 1 + random.integer(stepsMax); left > 0; left--) {
        steps.push(await history.step());
        if (random.integer(2) === 0) await history.ask();
      }
    } catch (error) {
      throw new Error(`run of seed ${seed + run}: ${steps.join(' ')}: ${String(error)}`, { cause: error });
    } finally {
      await history.end();
    }
  }
});
