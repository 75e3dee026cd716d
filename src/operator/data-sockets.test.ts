import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import {
  adminSocket,
  checkSocketPaths,
  engineSocketPath,
  linkSocketPath,
  workerSocket,
} from './data-sockets.ts';

/** The error's code; undefined: it listened. */
function listenError(path: string): Promise<string | undefined> {
  const server = createServer();
  return new Promise((done) => {
    server.once('error', ({ code }: NodeJS.ErrnoException) => done(code));
    server.listen({ path }, () => server.close(() => done(undefined)));
  });
}

function socketsOf(data: string, workers: number): string[] {
  const own = [join(data, adminSocket)];
  if (workers === 1) return own;
  const names = [`worker-${workers}`, 'worker-2', 'worker-1'];
  const ofWorkers = names.flatMap((name) => [join(data, workerSocket(name)), linkSocketPath(data, name)]);
  return [...own, engineSocketPath(data), ...ofWorkers];
}

for (const [workers, bytesMax] of [
  [1, 96],
  [2, 87],
  [12, 86],
] as const) {
  test(`the longest data directory of ${workers} processes is the longest whose sockets open`, async () => {
    const root = mkdtempSync(join(tmpdir(), 'rookery-sockets-'));
    const named = (bytes: number) => join(root, 'x'.repeat(bytes - Buffer.byteLength(root) - 1));
    const fits = named(bytesMax);
    const tooLong = named(bytesMax + 1);
    mkdirSync(fits);
    checkSocketPaths(fits, workers);
    const paths = socketsOf(fits, workers);
    for (const path of paths) assert.equal(await listenError(path), undefined, path);
    assert.equal(Math.max(...paths.map((path) => Buffer.byteLength(path))), 107);
    const room = new RegExp(
      `${tooLong}, has ${bytesMax + 1} bytes; the sockets in it leave room for ${bytesMax}${workers === 1 ? '' : ` with ${workers} workers`}: name another one with --data${workers === 1 ? '$' : ', or set workers = 1$'}`,
    );
    assert.throws(() => checkSocketPaths(tooLong, workers), room);
    rmSync(root, { recursive: true });
  });
}

test('a relative path counts as the absolute one, by which the command line goes; letters count by their bytes', () => {
  const inner = 'ü'.repeat(50);
  assert.throws(() => checkSocketPaths(inner, 1), {
    message: new RegExp(`, ${resolve(inner)}, has \\d+ bytes`),
  });
  assert.throws(() => checkSocketPaths(`/${'x'.repeat(100)}`, 2), {
    message: /name another one with --data$/,
  });
});
