// Runs one fuzz target in a thread of its own, so that the one who started it can see it hang, and end it. Before each
// run the input is copied into shared memory: whatever happens to this thread, the input that did it is known.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../src/base/clock.ts';
import { seededRandom } from '../src/base/random.ts';
import type { FuzzTarget } from '../test/fuzz/fuzz-target.ts';
import { minimise } from './fuzz-minimise.ts';
import { inputBytesMax, mutate } from './fuzz-mutate.ts';
import { type FuzzOrder, type FuzzReport, header, headerBytes } from './fuzz-order.ts';

const order = workerData as FuzzOrder;
const head = new Int32Array(order.shared, 0, headerBytes / 4);
const room = new Uint8Array(order.shared, headerBytes);

/** More of them hide each other; the rest comes when these are mended. */
const findingsMax = 3;

const report = (message: FuzzReport): void => parentPort?.postMessage(message);

/** Two failures are the same when the same invariant broke at the same place, whatever numbers the text holds. */
function keyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place = error.stack?.split('\n').find((line) => line.includes('/src/')) ?? '';
  return `${error.name}: ${error.message.replaceAll(/\d+/g, '#')} ${place.trim()}`.slice(0, 500);
}

async function failureOf(target: FuzzTarget, input: Uint8Array): Promise<unknown> {
  room.set(input.subarray(0, inputBytesMax));
  Atomics.store(head, header.length, Math.min(input.length, inputBytesMax));
  Atomics.add(head, header.sequence, 1);
  try {
    await target.run(input);
    return undefined;
  } catch (error) {
    return error ?? new Error('threw nothing');
  }
}

const { target } = (await import(pathToFileURL(order.targetPath).href)) as { target: FuzzTarget };
const kept = order.corpus.map((path) => readFileSync(path));
const seeds = [...target.seeds().map((seed) => seed.subarray(0, inputBytesMax)), ...kept];
if (seeds.length === 0) seeds.push(new Uint8Array());
const random = seededRandom(order.seed);
const found = new Set<string>();
let slowestMs = 0;
report({ kind: 'ready' });

async function tryInput(input: Uint8Array): Promise<void> {
  const startedAt = systemClock.monotonic();
  // The target may change what it is given; the finding must not.
  const error = await failureOf(target, Buffer.from(input));
  slowestMs = Math.max(slowestMs, systemClock.monotonic() - startedAt);
  if (error === undefined) return;
  const key = keyOf(error);
  if (found.has(key)) return;
  found.add(key);
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  report({ kind: 'finding', key, detail, input: Buffer.from(input) });
  const fails = async (candidate: Uint8Array): Promise<boolean> => {
    const other = await failureOf(target, Buffer.from(candidate));
    return other !== undefined && keyOf(other) === key;
  };
  report({ kind: 'finding', key, detail, input: Buffer.from(await minimise(input, fails)) });
}

// What was found once comes first, then the seeds as they are, then their changes.
for (const input of [...kept, ...seeds]) await tryInput(input);
while (Atomics.load(head, header.stop) === 0 && found.size < findingsMax)
  await tryInput(mutate(seeds, random));
report({ kind: 'done', runs: Atomics.load(head, header.sequence), slowestMs });
