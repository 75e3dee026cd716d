// The storage contract as tests: every engine registers them with its own way of opening a store, so that what the
// account host relies on is shown on all of them. `open` may be called again for the same store to see what survived.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Fault } from '../base/fault.ts';
import type { Epoch, ShardId } from '../mail/ids.ts';
import type { Engine, Entry, Page, Range } from './engine.ts';
import { modelContract } from './engine-model-contract.ts';
import { encodeEpoch, fenceFor, fenceKey, raiseEpoch } from './fence.ts';

export interface ContractStore {
  /** Opens the store; after `close` it may be opened again. */
  open(): Promise<Engine>;
  /** Removes what is left. */
  remove(): Promise<void>;
  /** Whether what was committed is there after reopening. */
  readonly durable: boolean;
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const put = (key: string, value: string): Entry => ({ key: bytes(key), value: bytes(value) });
const range = (start: string, end: string, reverse = false): Range => ({
  start: bytes(start),
  end: bytes(end),
  reverse,
});
const generous = { entriesMax: 1000, bytesMax: 1 << 30 };

async function read(engine: Pick<Engine, 'get'>, key: string): Promise<string | undefined> {
  const value = await engine.get(bytes(key));
  return value === undefined ? undefined : Buffer.from(value).toString('latin1');
}

function shown(page: Page): string[] {
  return page.entries.map(
    ({ key, value }) => `${Buffer.from(key).toString('latin1')}=${Buffer.from(value).toString('latin1')}`,
  );
}

/** Registers the suite under `name`. */
export function engineContract(name: string, makeStore: () => Promise<ContractStore>): void {
  const withEngine = (title: string, run: (engine: Engine, test: TestContext) => Promise<void>): void => {
    it(title, async (test) => {
      const store = await makeStore();
      try {
        await using engine = await store.open();
        await run(engine, test);
      } finally {
        await store.remove();
      }
    });
  };
  describe(`${name} keeps the engine contract`, () => {
    readingContract(withEngine);
    committingContract(withEngine);
    concurrencyContract(withEngine);
    modelContract(withEngine);
    reopeningContract(makeStore);
  });
}

export type WithEngine = (title: string, run: (engine: Engine, test: TestContext) => Promise<void>) => void;

function readingContract(withEngine: WithEngine): void {
  withEngine('orders keys by their bytes, unsigned, shorter first', async (engine) => {
    const keys = ['\xff', 'a\x00', 'a', '\x00\x00', 'ab', '\x80', '\x7f', '\x00'];
    await engine.commit({ puts: keys.map((key) => put(key, 'v')) });
    const page = await engine.page({ start: bytes('\x00'), end: bytes('\xff\xff') }, generous);
    // A store's own marker row, if it has one, is none of ours.
    const found = page.entries
      .map((entry) => Buffer.from(entry.key).toString('latin1'))
      .filter((key) => keys.includes(key));
    assert.deepEqual(found, ['\x00', '\x00\x00', 'a', 'a\x00', 'ab', '\x7f', '\x80', '\xff']);
  });

  withEngine('pages forwards and reverse without gaps or repeats', async (engine) => {
    await engine.commit({ puts: ['a', 'b', 'c', 'd', 'e'].map((key) => put(key, key)) });
    for (const reverse of [false, true]) {
      const seen: string[] = [];
      let asked: Range | undefined = range('a', 'e', reverse);
      while (asked !== undefined) {
        const page: Page = await engine.page(asked, { entriesMax: 2, bytesMax: 100 });
        assert.ok(page.entries.length <= 2);
        seen.push(...shown(page));
        const { next } = page;
        if (next === undefined) asked = undefined;
        else asked = reverse ? { ...asked, end: next } : { ...asked, start: next };
      }
      const expected = ['a=a', 'b=b', 'c=c', 'd=d'];
      assert.deepEqual(seen, reverse ? expected.reverse() : expected);
    }
  });

  withEngine('ends a page at the byte limit, always after one entry at least', async (engine) => {
    await engine.commit({ puts: [put('a', 'x'.repeat(10)), put('b', 'y'.repeat(10)), put('c', 'z')] });
    const limits = { entriesMax: 10, bytesMax: 15 };
    const first = await engine.page(range('a', 'z'), limits);
    assert.deepEqual(
      first.entries.map((entry) => entry.value.length),
      [10, 10],
    );
    assert.deepEqual(first.next, bytes('c'));
    const one = await engine.page(range('a', 'z'), { entriesMax: 10, bytesMax: 0 });
    assert.equal(one.entries.length, 1);
    const all = await engine.page(range('a', 'z'), { entriesMax: 3, bytesMax: 100 });
    assert.equal(all.next, undefined);
  });

  withEngine('gives nothing for an empty or inverted range', async (engine) => {
    await engine.commit({ puts: [put('b', '1')] });
    for (const asked of [range('b', 'b'), range('c', 'a'), range('c', 'a', true), range('bb', 'c')]) {
      assert.deepEqual(await engine.page(asked, generous), { entries: [] });
    }
  });

  withEngine(
    'gives values in the order of the keys asked for, undefined where there is none',
    async (engine) => {
      await engine.commit({ puts: [put('a', '1'), put('b', '')] });
      const values = await engine.getMany([bytes('b'), bytes('x'), bytes('a')]);
      assert.deepEqual(
        values.map((value) => value && Buffer.from(value).toString()),
        ['', undefined, '1'],
      );
      const many = await engine.getMany(
        Array.from({ length: 200 }, (_, index) => bytes(index % 2 ? 'a' : 'x')),
      );
      assert.equal(many.filter((value) => value !== undefined).length, 100);
    },
  );

  withEngine('keeps big, empty and longest-key rows byte for byte', async (engine) => {
    const big = Buffer.alloc(20 * 1024 * 1024, 'mail');
    const longest = Buffer.alloc(1024, 0xff);
    await engine.commit({
      puts: [
        { key: bytes('big'), value: big },
        put('empty', ''),
        { key: longest, value: big.subarray(0, 5) },
      ],
    });
    assert.equal(Buffer.compare((await engine.get(bytes('big')))!, big), 0);
    assert.equal((await engine.get(bytes('empty')))!.length, 0);
    assert.equal(Buffer.from((await engine.get(longest))!).toString(), 'mailm');
    const page = await engine.page(range('b', 'c'), generous);
    assert.equal(Buffer.compare(page.entries[0]!.value, big), 0);
  });

  withEngine('gives values that later reads and writes never change', async (engine) => {
    await engine.commit({ puts: [put('k', 'first')] });
    const kept = (await engine.get(bytes('k')))!;
    const paged = (await engine.page(range('a', 'z'), generous)).entries[0]!;
    await engine.commit({ puts: [put('k', 'other')] });
    for (const key of ['k', 'k', 'none']) await engine.get(bytes(key));
    assert.equal(Buffer.from(kept).toString(), 'first');
    assert.equal(Buffer.from(paged.value).toString(), 'first');
    kept.fill(0);
    assert.equal(await read(engine, 'k'), 'other');
  });

  withEngine('holds snapshots still while writing goes on', async (engine) => {
    await engine.commit({ puts: [put('a', '1'), put('b', '1')] });
    const first = await engine.snapshot();
    await engine.commit({ puts: [put('a', '2')], deletes: [bytes('b')] });
    const second = await engine.snapshot();
    await engine.commit({ puts: [put('c', '3')] });
    assert.deepEqual(shown(await first.page(range('a', 'z'), generous)), ['a=1', 'b=1']);
    assert.deepEqual(shown(await second.page(range('a', 'z'), generous)), ['a=2']);
    assert.deepEqual(shown(await engine.page(range('a', 'z'), generous)), ['a=2', 'c=3']);
    assert.equal(await read(first, 'b'), '1');
    assert.deepEqual(await second.getMany([bytes('b')]), [undefined]);
    await first.release();
    await first.release();
    await assert.rejects(first.get(bytes('a')), Fault);
    assert.equal(await read(second, 'a'), '2');
    await second.release();
  });
}

function committingContract(withEngine: WithEngine): void {
  withEngine('applies ranges, then deletes, then puts of one batch', async (engine) => {
    await engine.commit({ puts: ['a', 'b', 'c', 'd', 'e'].map((key) => put(key, '1')) });
    await engine.commit({
      deleteRanges: [
        { start: bytes('b'), end: bytes('d') },
        { start: bytes('z'), end: bytes('a') },
      ],
      deletes: [bytes('e'), bytes('missing')],
      puts: [put('c', '2'), put('e', '2')],
    });
    assert.deepEqual(shown(await engine.page(range('a', 'z'), generous)), ['a=1', 'c=2', 'd=1', 'e=2']);
  });

  withEngine('deletes long ranges whole', async (engine) => {
    const keys = Array.from({ length: 3000 }, (_, index) => `k${String(index).padStart(5, '0')}`);
    await engine.commit({ puts: keys.map((key) => put(key, key)) });
    await engine.commit({ deleteRanges: [{ start: bytes('k00001'), end: bytes('k02999') }] });
    assert.deepEqual(shown(await engine.page(range('k', 'l'), generous)), ['k00000=k00000', 'k02999=k02999']);
  });

  withEngine('changes nothing when a condition fails, and says which', async (engine) => {
    await engine.commit({ puts: [put('a', '1'), put('empty', '')] });
    const key = bytes('a');
    const holds = { key, expected: bytes('1') };
    const failing = [
      { key, expected: undefined },
      { key, expected: bytes('') },
      { key, expected: bytes('11') },
      { key: bytes('none'), expected: bytes('') },
      { key: bytes('empty'), expected: undefined },
    ];
    for (const condition of failing) {
      const result = await engine.commit({
        conditions: [holds, condition],
        deleteRanges: [{ start: bytes('a'), end: bytes('z') }],
        deletes: [bytes('a')],
        puts: [put('b', '2')],
      });
      assert.deepEqual(result, { outcome: 'conflict', condition: 1 });
    }
    assert.deepEqual(shown(await engine.page(range('a', 'z'), generous)), ['a=1', 'empty=']);
    const conditions = [
      holds,
      { key: bytes('none'), expected: undefined },
      { key: bytes('empty'), expected: bytes('') },
    ];
    assert.deepEqual(await engine.commit({ conditions, puts: [put('b', '2')] }), { outcome: 'committed' });
    assert.equal(await read(engine, 'b'), '2');
  });

  withEngine('refuses a batch of another epoch than the shard has', async (engine) => {
    const shard = 7 as ShardId;
    const commit = (epoch: number, value: string) =>
      engine.commit({ fence: fenceFor(shard, epoch as Epoch), puts: [put('a', value)] });
    assert.deepEqual(await commit(1, 'early'), { outcome: 'fenced' });
    const { condition, put: row } = raiseEpoch(shard, undefined, 1 as Epoch);
    assert.deepEqual(await engine.commit({ conditions: [condition], puts: [row] }), { outcome: 'committed' });
    assert.deepEqual(await commit(1, 'first'), { outcome: 'committed' });
    const raised = raiseEpoch(shard, encodeEpoch(1 as Epoch), 2 as Epoch);
    await engine.commit({ conditions: [raised.condition], puts: [raised.put] });
    assert.deepEqual(await commit(1, 'late'), { outcome: 'fenced' });
    assert.deepEqual(await commit(3, 'eager'), { outcome: 'fenced' });
    assert.equal(await read(engine, 'a'), 'first');
    // The fence is looked at before the conditions.
    const fence = fenceFor(shard, 1 as Epoch);
    const both = await engine.commit({ fence, conditions: [{ key: fenceKey(shard), expected: undefined }] });
    assert.deepEqual(both, { outcome: 'fenced' });
  });

  withEngine('takes keys up to the limit and asserts on others', async (engine) => {
    for (const length of [0, 1025]) {
      const key = Buffer.alloc(length, 1);
      await assert.rejects(engine.commit({ puts: [{ key, value: key }] }), { name: 'AssertionFailure' });
      await assert.rejects(engine.commit({ deletes: [key] }), { name: 'AssertionFailure' });
    }
    assert.deepEqual(await engine.commit({}), { outcome: 'committed' });
  });

  withEngine('tells subscribers after the batch, and only of what was committed', async (engine) => {
    const heard: string[] = [];
    const stop = engine.subscribe('t', () => heard.push('one'));
    engine.subscribe('t', () => {
      throw new Error('a listener with a bug');
    });
    engine.subscribe('u', () => heard.push('u'));
    await engine.commit({ puts: [put('a', '1')], signals: ['t', 'nobody'] });
    assert.deepEqual(heard, ['one']);
    await engine.commit({ conditions: [{ key: bytes('a'), expected: undefined }], signals: ['t'] });
    stop();
    stop();
    await engine.commit({ signals: ['t', 'u'] });
    assert.deepEqual(heard, ['one', 'u']);
  });
}

function concurrencyContract(withEngine: WithEngine): void {
  withEngine('sees its own writes at once, with many writers', async (engine) => {
    const writer = async (name: string): Promise<void> => {
      for (let turn = 0; turn < 20; turn++) {
        await engine.commit({ puts: [put(name, String(turn)), put(`${name}/${turn}`, 'x')] });
        assert.equal(await read(engine, name), String(turn));
        const page = await engine.page(range(`${name}/`, `${name}0`), generous);
        assert.equal(page.entries.length, turn + 1);
      }
    };
    await Promise.all(Array.from({ length: 50 }, (_, index) => writer(`w${index}`)));
    assert.ok(engine.statistics().batches >= 1000);
  });

  withEngine(
    'applies concurrent batches in the order of the calls, each against the one before',
    async (engine) => {
      const key = bytes('counter');
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          engine.commit({
            conditions: [{ key, expected: index === 0 ? undefined : bytes(String(index - 1)) }],
            puts: [put('counter', String(index))],
          }),
        ),
      );
      assert.ok(results.every((result) => result.outcome === 'committed'));
      assert.equal(await read(engine, 'counter'), '19');
    },
  );

  withEngine('lets exactly one of many rivals win a condition', async (engine) => {
    const rivals = Array.from({ length: 30 }, (_, index) =>
      engine.commit({
        conditions: [{ key: bytes('k'), expected: undefined }],
        puts: [put('k', String(index))],
      }),
    );
    const outcomes = (await Promise.all(rivals)).map((result) => result.outcome);
    assert.deepEqual(outcomes, ['committed', ...new Array(29).fill('conflict')]);
    assert.equal(await read(engine, 'k'), '0');
  });

  withEngine(
    'closes while busy: what was accepted is settled, what comes later is refused',
    async (engine) => {
      const accepted = Array.from({ length: 40 }, (_, index) =>
        engine.commit({ puts: [put(`k${index}`, 'x')] }),
      );
      const snapshot = await engine.snapshot();
      const closing = engine.close();
      await assert.rejects(engine.commit({ puts: [put('late', 'x')] }), Fault);
      for (const result of await Promise.all(accepted)) assert.equal(result.outcome, 'committed');
      await closing;
      await engine.close();
      await snapshot.release();
      await assert.rejects(engine.get(bytes('k0')), Fault);
      await assert.rejects(engine.snapshot(), Fault);
    },
  );
}

function reopeningContract(makeStore: () => Promise<ContractStore>): void {
  it('has every acknowledged change after reopening', async (test) => {
    const store = await makeStore();
    if (!store.durable) return test.skip('this engine keeps nothing');
    try {
      for (let round = 0; round < 3; round++) {
        await using engine = await store.open();
        for (let earlier = 0; earlier < round; earlier++)
          assert.equal(await read(engine, `r${earlier}`), 'x');
        await Promise.all([
          engine.commit({ puts: [put(`r${round}`, 'x')] }),
          engine.commit({
            conditions: [{ key: bytes('never'), expected: bytes('1') }],
            puts: [put('never', 'x')],
          }),
        ]);
        assert.equal(await read(engine, 'never'), undefined);
      }
    } finally {
      await store.remove();
    }
  });
}
