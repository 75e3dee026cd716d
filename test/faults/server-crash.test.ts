// The whole server is killed (SIGKILL) at random moments while mail is delivered, imported and changed and accounts
// come and go, again and again on the same
// data; what it acknowledged is there afterwards, byte for byte and once, with the UIDs it told.
// CRASH_ROUNDS=N makes it longer; CRASH_SEED=N repeats a run.

import { test } from 'node:test';
import { seededRandom, systemRandom } from '../../src/base/random.ts';
import { makeTemporaryFolder } from '../run-program.ts';
import { ServerProcess } from '../server-process.ts';
import {
  changeUntilGone,
  checkLedger,
  deliverUntilGone,
  importUntilGone,
  newLedger,
  passAccountsUntilGone,
} from './mail-load.ts';

const rounds = Number(process.env.CRASH_ROUNDS ?? 20);
const seed = Number(process.env.CRASH_SEED ?? systemRandom.integer(2 ** 31));
const users = ['alice', 'bob', 'carol'];
const lifeMsMax = 900;

test(`SIGKILL of the server under load, ${rounds} rounds, CRASH_SEED=${seed}`, async () => {
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
      importUntilGone(server, ledger, 'carol', random),
      passAccountsUntilGone(server, ledger, random),
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
