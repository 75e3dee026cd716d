// What a first start leaves that did not come to its end: a port was taken, a certificate is missing, the process was killed at
// any moment. The next start works, and quickstart.txt has the passwords that open the accounts.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Random, seededRandom, systemRandom } from '../../src/base/random.ts';
import { exitCodes } from '../../src/operator/exit-codes.ts';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { makeTemporaryFolder, type TemporaryFolder } from '../run-program.ts';
import { rookeryCommand, runRookery, ServerProcess, serverArguments } from '../server-process.ts';

const seed = Number(process.env.FIRST_START_SEED ?? systemRandom.integer(2 ** 31));
const kills = Number(process.env.FIRST_START_KILLS ?? 15);
/** A machine that is loaded: a start alone takes seconds. */
const killMsMax = 20_000;
const quickstart = { command: 'quickstart' } as const;

/** Starts it to its end: with the accounts of quickstart.txt, and no others. */
async function startsAndLogsIn(data: string): Promise<void> {
  await using server = await ServerProcess.start({ ...quickstart, data });
  const lines = readFileSync(`${data}/quickstart.txt`, 'utf8').trimEnd().split('\n');
  assert.equal(lines.length, 3);
  assert.ok(
    !readdirSync(data).some((name) => /^quickstart\.txt\./.test(name)),
    'something unfinished is left',
  );
  for (const line of lines) {
    const [address = '', password] = line.split(' ');
    using client = await TestClient.connect(server.ports.imap);
    client.send(`a LOGIN ${address} ${password}\r\nb LOGOUT`);
    assert.match(await client.rest(), /^a OK/m, address);
  }
  const { items } = await server.admin.call<{ items: { address: string }[] }>({ path: '/api/accounts' });
  assert.deepEqual(
    items.map(({ address }) => address).sort(),
    lines.map((line) => line.split(' ')[0]!).sort(),
  );
  await server.stop();
}

describe('a first start that fails', () => {
  let folder: TemporaryFolder;
  before(async () => {
    folder = await makeTemporaryFolder();
  });
  after(() => folder.remove());

  async function fails(data: string, settings: readonly string[]): Promise<string> {
    const { code, stderr } = await runRookery(serverArguments({ ...quickstart, data, settings }));
    assert.equal(code, exitCodes.failure, stderr);
    return stderr;
  }

  test('a port that is taken, then a certificate that is not there: the next start works', async () => {
    const data = folder.at('port');
    const other = createServer();
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    for (const workers of [1, 2]) {
      const told = await fails(data, [`listen.pop3s=127.0.0.1:${port}`, `workers=${workers}`]);
      assert.match(told, new RegExp(`127\\.0\\.0\\.1:${port} is taken`));
    }
    other.close();
    const certificate = folder.at('none.crt');
    const pair = `tls.certificates=[{certificate="${certificate}",key="${folder.at('none.key')}"}]`;
    assert.match(await fails(data, [pair]), /none\.crt/);
    assert.ok(!existsSync(`${data}/quickstart.txt`), 'passwords of accounts that nobody made');
    await startsAndLogsIn(data);
  });

  test('a data directory that cannot be one: told what stands in the way', async () => {
    await writeFile(folder.at('file'), '');
    const isFile = await fails(folder.at('file'), []);
    assert.match(
      isFile,
      /cannot use \S+file as the data directory: there is a file of that name; name another one/,
    );
    assert.match(await fails(folder.at('file', 'data'), []), /a part of the path is a file/);
  });

  test('a key that is no pair with its certificate, or empty, is made anew', async () => {
    const data = folder.at('pair');
    await mkdir(data);
    await startsAndLogsIn(data);
    const certificate = readFileSync(`${data}/tls/self-signed.crt`);
    await writeFile(`${data}/tls/self-signed.key`, '');
    await startsAndLogsIn(data);
    assert.notDeepEqual(readFileSync(`${data}/tls/self-signed.crt`), certificate);
  });

  test('without quickstart.txt accounts keep their passwords, and no others are made', async () => {
    const data = folder.at('gone');
    await startsAndLogsIn(data);
    const passwords = readFileSync(`${data}/quickstart.txt`);
    await rm(`${data}/quickstart.txt`);
    await using server = await ServerProcess.start({ ...quickstart, data });
    assert.match(server.stdout, /quickstart\.txt with their first passwords is gone/);
    assert.ok(!existsSync(`${data}/quickstart.txt`));
    await server.stop();
    await writeFile(`${data}/quickstart.txt`, passwords, { mode: 0o600 });
    await startsAndLogsIn(data);
  });
});

/** What a first start makes in the data directory. Behind the passwords the accounts follow, which is where most can go wrong. */
const passwords = 'quickstart.txt.new';
const stages = [
  '',
  'store',
  'blobs',
  'blobs/rookery-store',
  'tls',
  'admin.sock',
  passwords,
  passwords,
  passwords,
] as const;
/** The accounts take about as long on an idle machine. */
const stageMs = 80;
/** In one data directory, before a start goes on to its end; fewer when a killed one had come there. */
const killsInARow = 5;

/** Kills it so long after it made this (the socket, where this is there already), or was done; gives what is there then. */
async function killFirstStart(data: string, stage: string, afterMs: number): Promise<string[]> {
  const args = [rookeryCommand, ...serverArguments({ ...quickstart, data })];
  const made = existsSync(join(data, stage)) ? 'admin.sock' : stage;
  // Each start makes its socket anew.
  const madeAt = (): number | undefined => statSync(join(data, made), { throwIfNoEntry: false })?.mtimeMs;
  const before = madeAt();
  const isMade = (): boolean => madeAt() !== before;
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = once(child, 'exit');
  try {
    while (!isMade() && !existsSync(join(data, 'quickstart.txt')) && child.exitCode === null) await sleep(1);
    await sleep(afterMs);
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
  assert.equal(child.signalCode, 'SIGKILL', 'it ended by itself');
  return readdirSync(data).sort();
}

test(`${kills} first starts that are killed (FIRST_START_SEED=${seed})`, {
  timeout: kills * killMsMax,
}, async (t) => {
  await using folder = await makeTemporaryFolder();
  let left = kills;
  const killAndStart = async (data: string, random: Random): Promise<void> => {
    const states: string[] = [];
    while (states.length < killsInARow && left > 0 && !existsSync(join(data, 'quickstart.txt'))) {
      left--;
      const stage = stages[random.integer(stages.length)]!;
      states.push((await killFirstStart(data, stage, random.integer(stageMs))).join(' '));
    }
    t.diagnostic(`killed when there was: ${states.join('; ')}`);
    await startsAndLogsIn(data);
    await rm(data, { recursive: true });
  };
  // Each start waits as much as it computes.
  const lane = async (name: string, random: Random): Promise<void> => {
    for (let count = 0; left > 0; count++) await killAndStart(folder.at(`${name}${count}`), random);
  };
  await Promise.all([lane('a', seededRandom(seed)), lane('b', seededRandom(seed + 1))]);
});
