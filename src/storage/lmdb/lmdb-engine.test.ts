// The LMDB engine: the contract, and what is its own: the lock, the format marker, full maps and disks, old snapshots.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { type Clock, systemClock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { silentLog } from '../../base/log.ts';
import { isMailError, MailError } from '../../mail/mail-error.ts';
import { outcomeCodes } from '../commit-outcomes.ts';
import type { Batch, Engine, Entry } from '../engine.ts';
import { engineContract } from '../engine-contract.ts';
import { packGroup } from '../group-codec.ts';
import { encodeRecord } from '../record.ts';
import { encodeTuple } from '../tuple.ts';
import type { PackedGroup } from './embedded-engine.ts';
import { Journal } from './journal.ts';
import { type LmdbEngineOptions, openLmdbEngine } from './lmdb-engine.ts';

function openIn(directory: string, options: Partial<LmdbEngineOptions> = {}): Promise<Engine> {
  return openLmdbEngine({ directory, log: silentLog, clock: systemClock, ...options });
}

/** With a dot, which lmdb-js would take for a file name. */
const makeDirectory = (): string => mkdtempSync(join(tmpdir(), 'rookery-lmdb.'));

const contractOn = (name: string, options: Partial<LmdbEngineOptions>): void =>
  engineContract(name, async () => {
    const directory = makeDirectory();
    return {
      open: () => openIn(directory, options),
      remove: async () => rmSync(directory, { recursive: true }),
      durable: true,
    };
  });
contractOn('lmdb', {});
// What a read finds is then partly in the file and partly over it.
contractOn('lmdb that writes its file often', { groupsPerTransaction: 2 });

const key = (index: number): Buffer => encodeTuple(['k', index]);

/** Commits rows of `size` bytes until one is refused; returns how many were taken and the refusal. */
async function fill(
  engine: Engine,
  from: number,
  size: number,
): Promise<{ taken: number; refusal: unknown }> {
  for (let taken = 0; ; taken++) {
    try {
      await engine.commit({ puts: [{ key: key(from + taken), value: Buffer.alloc(size, taken) }] });
    } catch (refusal) {
      return { taken, refusal };
    }
  }
}

function assertFull(refusal: unknown): void {
  assert.ok(refusal instanceof MailError, String(refusal));
  assert.equal(refusal.kind, 'storageFull');
}

it('opens a directory once at a time and says who has it', async () => {
  const directory = makeDirectory();
  const first = await openIn(directory);
  await assert.rejects(openIn(directory), (error: Error) => {
    assert.match(error.message, new RegExp(`is in use by process ${process.pid} on `));
    return error instanceof Fault && !error.temporary;
  });
  await first.commit({ puts: [{ key: key(1), value: key(1) }] });
  await first.close();
  const second = await openIn(directory);
  assert.deepEqual(await second.get(key(1)), key(1));
  await second.close();
  rmSync(directory, { recursive: true });
});

it('refuses a store of a newer format, and leaves it alone', async () => {
  const directory = makeDirectory();
  const marker = encodeTuple(['store']);
  const engine = await openIn(directory);
  assert.notEqual(await engine.get(marker), undefined);
  await engine.commit({ puts: [{ key: marker, value: encodeRecord('store', 99) }] });
  await engine.close();
  await assert.rejects(openIn(directory), /format 99; this Rookery knows up to \d+: start a newer one/);
  await assert.rejects(openIn(directory), /format 99/);
  rmSync(directory, { recursive: true });
});

it('takes over a store of an older format, which an older program then refuses', async () => {
  const directory = makeDirectory();
  const marker = encodeTuple(['store']);
  const engine = await openIn(directory);
  const written = await engine.get(marker);
  await engine.commit({ puts: [{ key: marker, value: encodeRecord('store', 2) }] });
  await engine.close();
  const again = await openIn(directory);
  assert.deepEqual(await again.get(marker), written);
  await again.close();
  rmSync(directory, { recursive: true });
});

it('does not open, and says why, when the journal goes on behind what the file lacks', async () => {
  const directory = makeDirectory();
  const engine = await openIn(directory);
  await engine.commit({ puts: [{ key: key(1), value: key(1) }] });
  await engine.close();
  const journal = new Journal(directory);
  journal.recover(99, () => undefined);
  journal.append([Buffer.from('group 100')]);
  journal.close();
  await assert.rejects(openIn(directory), (error: Error) => {
    assert.match(
      error.message,
      /^cannot open the store in .*: the journal lacks groups \d+ to 99: the store is damaged$/,
    );
    return error instanceof Fault && !error.temporary;
  });
  await assert.rejects(openIn(directory), /the journal lacks groups/);
  rmSync(directory, { recursive: true });
});

it('goes on when the file outgrows the address space that was mapped', async () => {
  const directory = makeDirectory();
  await using engine = await openIn(directory, { mapBytes: 1024 * 1024 });
  const snapshot = await engine.snapshot();
  for (let index = 0; index < 40; index++) {
    await engine.commit({ puts: [{ key: key(index), value: Buffer.alloc(100_000, index) }] });
    assert.deepEqual(await engine.get(key(0)), Buffer.alloc(100_000, 0));
  }
  for (let index = 0; index < 40; index++)
    assert.deepEqual(await engine.get(key(index)), Buffer.alloc(100_000, index));
  assert.equal(await snapshot.get(key(0)), undefined);
  await engine.close();
  rmSync(directory, { recursive: true });
});

/** Of a group, what needs room is refused, and what deletes is done. */
async function assertHarmsOnlyItself(engine: Engine): Promise<void> {
  const [small, tooBig, other] = await Promise.allSettled([
    engine.commit({ deletes: [key(5000)] }),
    engine.commit({
      puts: [2, 3].map((index) => ({ key: key(900 + index), value: Buffer.alloc(20 * 1024 * 1024) })),
    }),
    engine.commit({ conditions: [{ key: key(902), expected: undefined }], deletes: [key(6000)] }),
  ]);
  assert.deepEqual(small, { status: 'fulfilled', value: { outcome: 'committed' } });
  assert.equal(tooBig.status, 'rejected');
  assertFull(tooBig.reason);
  assert.deepEqual(other, { status: 'fulfilled', value: { outcome: 'committed' } });
}

it('refuses what does not fit on the disk and goes on by itself when there is room', async (test) => {
  const mount = makeDirectory();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'none', mount], { stdio: 'pipe' });
  } catch (error) {
    rmSync(mount, { recursive: true });
    return test.skip(`needs root for a small file system of its own: ${String(error)}`);
  }
  const directory = join(mount, 'store');
  const ballast = join(mount, 'ballast');
  const options = { reserveBytes: 2 * 1024 * 1024 };
  writeFileSync(ballast, Buffer.alloc(8 * 1024 * 1024));
  let engine = await openIn(directory, options);
  try {
    const { taken, refusal } = await fill(engine, 0, 20_000);
    assertFull(refusal);
    assert.ok(taken > 50, `${taken} rows fitted`);
    await assertHarmsOnlyItself(engine);
    // Nothing of the refused batch is there, everything before it is, also after reopening on the full disk.
    await engine.close();
    engine = await openIn(directory, options);
    assert.equal(await engine.get(key(taken)), undefined);
    for (let index = 0; index < taken; index++) {
      assert.deepEqual(await engine.get(key(index)), Buffer.alloc(20_000, index));
    }
    unlinkSync(ballast);
    const again = await fill(engine, 1000, 20_000);
    assert.ok(again.taken > 200, `${again.taken} rows fitted after there was room`);
    assertFull(again.refusal);
    // What makes room goes on, deleting above all; what is no small change does not, whatever it says.
    assertFull((await fill(engine, 3000, 100)).refusal);
    const small = { puts: [{ key: key(5000), value: Buffer.alloc(100) }] };
    await assert.rejects(engine.commit(small), (error) => isMailError(error, 'storageFull'));
    assert.deepEqual(await engine.commit({ ...small, fromReserve: true }), { outcome: 'committed' });
    const large = { puts: [{ key: key(5001), value: Buffer.alloc(1024 * 1024) }], fromReserve: true };
    await assert.rejects(engine.commit(large), (error) => isMailError(error, 'storageFull'));
    assert.ok(again.taken < 2000);
    await engine.commit({ deleteRanges: [{ start: key(1000), end: key(1000 + again.taken) }] });
    assert.equal(await engine.get(key(1003)), undefined);
    assert.deepEqual(await engine.get(key(0)), Buffer.alloc(20_000, 0));
  } finally {
    await engine.close();
    execFileSync('umount', [mount]);
    rmSync(mount, { recursive: true });
  }
});

it('ends a snapshot that lives too long', async () => {
  const directory = makeDirectory();
  const timers: { delayMs: number; callback: () => void }[] = [];
  const clock: Clock = {
    ...systemClock,
    after(delayMs, callback) {
      const timer = { delayMs, callback };
      timers.push(timer);
      return { cancel: () => timers.splice(timers.indexOf(timer), 1) };
    },
  };
  await using engine = await openIn(directory, { clock, snapshotAgeMsMax: 1234 });
  const old = await engine.snapshot();
  assert.deepEqual(
    timers.map((timer) => timer.delayMs),
    [1234],
  );
  timers[0]!.callback();
  await assert.rejects(old.get(key(1)), /lived too long/);
  await old.release();
  await (await engine.snapshot()).release();
  assert.equal(timers.length, 0);
  await engine.close();
  rmSync(directory, { recursive: true });
});

const packed = (...batches: Batch[]): PackedGroup => {
  const signals = batches.map((batch) => batch.signals ?? []);
  return { bytes: packGroup(batches), signals };
};
const row = (index: number, text: string): Entry => ({ key: key(index), value: Buffer.from(text) });

it('takes groups that others packed in order with its own, and does them again after a crash', async () => {
  const directory = makeDirectory();
  const crashed = makeDirectory();
  const engine = await openLmdbEngine({ directory, log: silentLog, clock: systemClock });
  const heard: string[] = [];
  engine.subscribe('yes', () => heard.push('yes'));
  engine.subscribe('no', () => heard.push('no'));
  const is = (index: number, text: string) => ({ key: key(index), expected: Buffer.from(text) });
  const [first, group, second, other] = await Promise.all([
    engine.commit({ puts: [row(1, 'first'), row(2, 'first')] }),
    engine.commitPacked(
      packed(
        { conditions: [is(1, 'first')], puts: [row(1, 'group')], signals: ['yes'] },
        { conditions: [is(2, 'first'), is(1, 'first')], puts: [row(2, 'refused')], signals: ['no'] },
        { deletes: [key(2)], puts: [row(3, 'group')] },
      ),
    ),
    engine.commit({ conditions: [is(1, 'group')], puts: [row(4, 'second')] }),
    engine.commitPacked(
      packed({ conditions: [is(4, 'second')], deleteRanges: [{ start: key(3), end: key(4) }] }),
    ),
  ]);
  assert.deepEqual([first, second], [{ outcome: 'committed' }, { outcome: 'committed' }]);
  const { committed } = outcomeCodes;
  assert.deepEqual([group.outcomes, other.outcomes], [[committed, 1, committed], [committed]]);
  assert.deepEqual([group.transaction, group.sequence], [other.transaction, other.sequence]);
  assert.deepEqual(heard, ['yes']);
  const wanted = ['group', undefined, undefined, 'second'];
  const read = async (from: Engine) =>
    (await from.getMany([1, 2, 3, 4].map(key))).map((value) => value && Buffer.from(value).toString());
  // The file lacks it all, or has it: both are a state of a crash.
  for (const name of ['data.mdb', 'journal', 'journal.1']) cpSync(join(directory, name), join(crashed, name));
  assert.deepEqual(await read(engine), wanted);
  await using again = await openIn(crashed);
  assert.deepEqual(await read(again), wanted);
  await engine.close();
  await assert.rejects(engine.commitPacked(packed({})), Fault);
  for (const each of [directory, crashed]) rmSync(each, { recursive: true });
});
