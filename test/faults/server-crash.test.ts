// The whole server is killed (SIGKILL) at random moments while mail is delivered and changed, again and again on the same
// data; what it acknowledged is there afterwards, byte for byte and once, with the UIDs it told.
// CRASH_ROUNDS=N makes it longer; SEED=N repeats a run.

import { test } from 'node:test';
import { seededRandom } from '../../src/base/random.ts';
import { makeTemporaryFolder } from '../run-program.ts';
import { ServerProcess } from '../server-process.ts';
import { changeUntilGone, checkLedger, deliverUntilGone, newLedger } from './mail-load.ts';

const rounds = Math.max(1, Math.ceil(Number(process.env.CRASH_ROUNDS ?? 60) / 6));
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
const users = ['alice', 'bob', 'carol'];
const lifeMsMax = 900;

test(`SIGKILL of the server under load, ${rounds} rounds, SEED=${seed}`, async () => {
  const random = seededRandom(seed);
  const folder = await makeTemporaryFolder();
  const data = folder.at('data');
  const ledger = newLedger();
  {
    const server = await ServerProcess.start({ data, accounts: users });
    await server.stop();
  }
  for (let round = 0; round < rounds; round++) {
    await using server = await ServerProcess.start({ data });
    await checkLedger(server, ledger, users);
    const timer = setTimeout(() => server.signal('SIGKILL'), 50 + random.integer(lifeMsMax));
    await Promise.all([
      deliverUntilGone(server, ledger, users, random),
      deliverUntilGone(server, ledger, users, random),
      changeUntilGone(server, ledger, 'alice', random),
      changeUntilGone(server, ledger, 'bob', random),
    ]);
    clearTimeout(timer);
    await server.exited;
  }
  const server = await ServerProcess.start({ data });
  await checkLedger(server, ledger, users);
  const check = await server.json<{ findings: number }>(['store', 'check', '--report-only']);
  if (check.findings !== 0) throw new Error(`store check found ${JSON.stringify(check)}`);
  await server.stop();
  await folder.remove();
  process.stdout.write(`# ${rounds} kills, ${ledger.messages.length} messages acknowledged, 0 lost\n`);
});
