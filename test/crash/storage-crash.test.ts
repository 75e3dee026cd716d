// Kills a writing process at random moments and looks at what it left: every acknowledged change is there, no batch is
// there in part, every linked blob is readable. SIGKILL shows that nothing is acknowledged before it was handed to the
// kernel in the right order; that the disk has it too is fdatasync's part, which no kill of a process can show.
// CRASH_ROUNDS=N runs N rounds, CRASH_SEED=N a certain series; what one round leaves the next goes on with.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { type Random, seededRandom, systemRandom } from '../../src/base/random.ts';
import {
  type FilesystemBlobStore,
  openFilesystemBlobStore,
} from '../../src/storage/blobs/filesystem-blob-store.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { openLmdbEngine } from '../../src/storage/lmdb/lmdb-engine.ts';
import { tuplePrefixRange } from '../../src/storage/tuple.ts';
import {
  blobOf,
  counterKey,
  decodeCounter,
  digestOf,
  firstLink,
  firstRows,
  rowsOf,
  writers,
} from './storage-load.ts';

const rounds = Number(process.env.CRASH_ROUNDS ?? 120);
const seed = Number(process.env.CRASH_SEED ?? systemRandom.integer(2 ** 31));
const childFile = fileURLToPath(new URL('./storage-crash-child.ts', import.meta.url));
/** Killed after so many acknowledgements, and a moment: so also between two and in the middle of one. */
const acknowledgementsMax = 60;
const momentMicrosecondsMax = 3000;

/** The next number that each writer has had acknowledged, from a killed process's output. */
async function runAndKill(directory: string, random: Random): Promise<number[]> {
  const child = spawn(process.execPath, [childFile, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  const killAfter = random.integer(acknowledgementsMax);
  const moment = random.integer(momentMicrosecondsMax);
  let output = '';
  let lines = 0;
  let killed = false;
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    output += text;
    lines += text.split('\n').length - 1;
    if (lines < killAfter || killed) return;
    killed = true;
    const end = systemClock.monotonic() + moment / 1000;
    while (systemClock.monotonic() < end);
    child.kill('SIGKILL');
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.on('close', (...how) => resolve(how));
  });
  assert.deepEqual([code, signal], [null, 'SIGKILL'], 'the child ended by itself');
  const next = new Array<number>(writers).fill(0);
  // The last line may be cut; the batch was acknowledged all the same, but was not heard.
  for (const line of output.split('\n').slice(0, -1)) {
    const [writer, number] = line.split(' ').map(Number);
    next[writer!] = number! + 1;
  }
  return next;
}

async function checkWriter(
  engine: Engine,
  blobs: FilesystemBlobStore,
  writer: number,
  acknowledged: number,
): Promise<void> {
  const next = decodeCounter(await engine.get(counterKey(writer)));
  assert.ok(next >= acknowledged, `writer ${writer}: ${acknowledged} were acknowledged, ${next} are there`);
  const expected = [];
  for (let number = firstRows(next); number < next; number++) expected.push(...rowsOf({ writer, number }));
  const found = await engine.page(tuplePrefixRange(['row', writer]), { entriesMax: 1000, bytesMax: 1 << 30 });
  assert.equal(found.entries.length, expected.length, `writer ${writer} at ${next}`);
  for (const [index, row] of expected.entries()) {
    assert.equal(Buffer.compare(found.entries[index]!.key, row.key), 0);
    assert.equal(Buffer.compare(found.entries[index]!.value, row.value), 0);
  }
  for (let number = firstLink(next); number < next; number++) {
    const blob = blobOf({ writer, number });
    if (blob === undefined) continue;
    const read = await blobs.read(digestOf(blob), 0, blob.length);
    assert.ok(
      read !== undefined && Buffer.compare(read, blob) === 0,
      `blob of batch ${number} of writer ${writer}`,
    );
  }
}

async function runRounds(directory: string, test: TestContext): Promise<void> {
  const random = seededRandom(seed);
  const acknowledged = new Array<number>(writers).fill(0);
  let links = 0;
  let round = 0;
  test.after(() => test.diagnostic(`${round} rounds without a finding`));
  for (; round < rounds; round++) {
    const heard = await runAndKill(directory, random);
    const shared = { clock: systemClock, log: silentLog };
    await using engine = await openLmdbEngine({ ...shared, directory: join(directory, 'engine') });
    await using blobs = await openFilesystemBlobStore({
      ...shared,
      engine,
      directory: join(directory, 'blobs'),
      compression: { level: 1 },
    });
    for (let writer = 0; writer < writers; writer++) {
      acknowledged[writer] = Math.max(acknowledged[writer]!, heard[writer]!);
      await checkWriter(engine, blobs, writer, acknowledged[writer]!);
    }
    links = 0;
    for await (const blob of blobs.list()) links += blob.links;
    await blobs.close();
  }
  test.diagnostic(
    `${rounds} rounds, ${acknowledged.reduce((a, b) => a + b)} batches, ${links} links at the end`,
  );
  assert.ok(acknowledged.every((next) => next > 0) && links > 0);
}

it(`keeps every acknowledged change through ${rounds} kills`, async (test) => {
  test.diagnostic(`CRASH_SEED=${seed}`);
  const directory = mkdtempSync(join(tmpdir(), 'rookery-crash.'));
  try {
    await runRounds(directory, test);
  } catch (error) {
    test.diagnostic(`kept for inspection: ${directory}`);
    throw error;
  }
  rmSync(directory, { recursive: true });
});
