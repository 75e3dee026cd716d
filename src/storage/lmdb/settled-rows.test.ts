// Rows of the embedded engine's file, read by another process while the engine writes.

import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import type { Engine } from '../engine.ts';
import { openLmdbEngine } from './lmdb-engine.ts';

const readerProgram = `
  const { fileRows, openFile } = await import(process.argv[2]);
  const rows = fileRows(openFile(process.argv[3]));
  process.on('message', (key) => {
    const value = rows.find(Buffer.from(key));
    process.send(value === undefined ? null : value.toString('latin1'));
  });
  process.send('ready');
`;

class Reader implements AsyncDisposable {
  readonly #child: ChildProcess;

  constructor(directory: string) {
    const program = join(directory, 'reader.mjs');
    writeFileSync(program, readerProgram);
    this.#child = fork(program, [
      new URL('./settled-rows.ts', import.meta.url).href,
      join(directory, 'store'),
    ]);
  }

  static async open(directory: string): Promise<Reader> {
    const reader = new Reader(directory);
    await once(reader.#child, 'message');
    return reader;
  }

  async find(key: string): Promise<string | null> {
    const answered = once(this.#child, 'message');
    this.#child.send(key);
    return (await answered)[0] as string | null;
  }

  /** As soon as it is what the file says: the engine writes there a little later. */
  async until(key: string, wanted: string | null): Promise<void> {
    const deadline = systemClock.monotonic() + 60_000;
    while ((await this.find(key)) !== wanted)
      assert.ok(systemClock.monotonic() < deadline, `${key} is not ${wanted}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}

async function put(engine: Engine, key: string, value: string): Promise<void> {
  await engine.commit({ puts: [{ key: Buffer.from(key), value: Buffer.from(value, 'latin1') }] });
}

test('another process finds what is in the file, follows it as it grows, and may end at any moment', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'rookery-settled.'));
  const store = join(directory, 'store');
  const engine = await openLmdbEngine({
    directory: store,
    mapBytes: 2 ** 30,
    clock: systemClock,
    log: silentLog,
  });
  try {
    await put(engine, 'first', 'one');
    {
      await using reader = await Reader.open(directory);
      await reader.until('first', 'one');
      assert.equal(await reader.find('second'), null);
      const large = 'x'.repeat(100_000);
      for (let count = 0; count < 200; count++) await put(engine, `large ${count}`, large);
      await put(engine, 'second', 'two');
      await reader.until('second', 'two');
      assert.equal(await reader.find('large 150'), large);
      await engine.commit({ deletes: [Buffer.from('first')] });
      await reader.until('first', null);
    }
    await put(engine, 'third', 'three');
    await using after = await Reader.open(directory);
    await after.until('third', 'three');
  } finally {
    await engine.close();
    rmSync(directory, { recursive: true });
  }
});
