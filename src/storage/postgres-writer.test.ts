// The writer while the database is away longer than the limit: commits are refused at once, and are not left waiting because
// the database answered for a moment. What it does with a real server is in test/faults/postgres-*.test.ts.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import type { PendingCommit } from './group-commit.ts';
import { ConnectionLost } from './postgres-session.ts';
import { type Answers, sessionOfNobody } from './postgres-session-testing.ts';
import { PostgresWriter } from './postgres-writer.ts';

const generation = Buffer.alloc(8);
const takeOver: Answers = (name) => {
  if (name === 'setting') return [[Buffer.from('on')]];
  return name === 'raise' ? [[generation]] : [];
};

/** Its outcome; undefined: it waits. */
function write(writer: PostgresWriter): Promise<string | undefined> {
  return new Promise((resolve) => {
    const pending: PendingCommit = {
      batch: { puts: [{ key: Buffer.from('k'), value: Buffer.from('v') }] },
      bytes: 1,
      resolve: ({ outcome }) => resolve(outcome),
      reject: ({ message }) => resolve(message),
    };
    void writer.write([pending]);
    void systemClock
      .nextTurn()
      .then(() => systemClock.nextTurn())
      .then(() => resolve(undefined));
  });
}

it('goes on refusing when the database came back for less than a commit', { timeout: 60_000 }, async () => {
  const first = sessionOfNobody(takeOver);
  const short = sessionOfNobody((name) =>
    name === 'continue' ? Promise.reject(new ConnectionLost('gone again')) : takeOver(name),
  );
  let isShortlyBack = false;
  const { promise: triedAgain, resolve: trying } = Promise.withResolvers<void>();
  const writer = new PostgresWriter({
    identity: { id: Buffer.alloc(16), applicationName: 'rookery commit test' },
    connect: async () => {
      if (short.destroyed() !== undefined) trying();
      else if (isShortlyBack) return short.session;
      throw new ConnectionLost('nobody there');
    },
    durability: 'local',
    allowAlone: false,
    awayLimitMs: 10,
    committed: ({ resolve }) => resolve({ outcome: 'committed' }),
    moved: () => {},
    clock: systemClock,
    log: silentLog,
  });
  try {
    await writer.open(first.session);
    first.session.destroy('cut');
    while ((await write(writer)) !== 'the database is away');
    isShortlyBack = true;
    await triedAgain;
    assert.equal(await write(writer), 'the database is away');
  } finally {
    await writer.close();
  }
});
