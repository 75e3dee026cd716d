// Writers whose every commit depends on the one before it, so that a commit which was lost or applied twice shows: each
// raises its own counter on the condition that it has the value of its last commit, and adds a row that stands for it.

import assert from 'node:assert/strict';
import { Fault } from '../../src/base/fault.ts';
import { isMailError } from '../../src/mail/mail-error.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { encodeTuple, tuplePrefixRange } from '../../src/storage/tuple.ts';
import { UnknownOutcomeFault } from '../../src/storage/unknown-outcome.ts';

const counterKey = (name: string) => encodeTuple(['counter', name]);
const textOf = (value: number): Buffer => Buffer.from(String(value));

async function readCounter(engine: Engine, name: string): Promise<number> {
  const value = await engine.get(counterKey(name));
  return value === undefined ? 0 : Number(Buffer.from(value).toString());
}

export interface WriterLedger {
  acknowledged: number;
  /** Commits that rejected because nobody could tell. */
  unknown: number;
  /** Commits that rejected and were said not to be applied. */
  refused: number;
}

/** One commit on top of `from`. Returns where the counter is now, after reading it again when that had to be. */
export async function countOnce(
  engine: Engine,
  name: string,
  from: number,
  ledger: WriterLedger,
): Promise<number> {
  const to = from + 1;
  try {
    const result = await engine.commit({
      conditions: [{ key: counterKey(name), expected: from === 0 ? undefined : textOf(from) }],
      puts: [
        { key: counterKey(name), value: textOf(to) },
        { key: encodeTuple(['row', name, to]), value: Buffer.alloc(500, to & 255) },
      ],
    });
    // Anything else: an earlier commit was lost, or this one was applied twice.
    assert.deepEqual(result, { outcome: 'committed' }, `${name} ${to}`);
    ledger.acknowledged++;
    return to;
  } catch (error) {
    if (!(error instanceof Fault && error.temporary) && !isMailError(error, 'unavailable')) throw error;
    const found = await readWhenBack(engine, name);
    if (error instanceof UnknownOutcomeFault) {
      ledger.unknown++;
      assert.ok(found === from || found === to, `${name} is ${found}, not ${from} or ${to}`);
    } else {
      ledger.refused++;
      assert.equal(found, from, `${name}: refused and yet applied`);
    }
    return found;
  }
}

async function readWhenBack(engine: Engine, name: string): Promise<number> {
  for (;;) {
    try {
      return await readCounter(engine, name);
    } catch (error) {
      if (!(error instanceof Fault && error.temporary)) throw error;
    }
  }
}

/** Every counter is where its writer left it and has a row for each step, no more and no less. */
export async function checkCounters(engine: Engine, counters: ReadonlyMap<string, number>): Promise<void> {
  for (const [name, value] of counters) {
    assert.equal(await readCounter(engine, name), value, name);
    const limits = { entriesMax: 10_000, bytesMax: 1e9 };
    const { entries } = await engine.page(tuplePrefixRange(['row', name]), limits);
    assert.deepEqual(
      entries.map(({ key }) => Buffer.from(key)),
      Array.from({ length: value }, (_, index) => encodeTuple(['row', name, index + 1])),
    );
  }
}
