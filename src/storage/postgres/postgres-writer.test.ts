// The writer while the database is away longer than the limit: commits are refused at once, and are not left waiting because
// the database answered for a moment. What it does with a real server is in test/faults/postgres-*.test.ts.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import type { PendingCommit } from '../group-commit.ts';
import { noStandby } from './postgres-schema.ts';
import { ConnectionLost, PostgresError } from './postgres-session.ts';
import { PostgresWriter } from './postgres-writer.ts';
import { type Answers, sessionOfNobody } from './testing-postgres-session.ts';

const generation = Buffer.alloc(8);
const takeOver: Answers = (name) => {
  if (name === 'setting') return [[Buffer.from('on')]];
  return name === 'raise' ? [[generation]] : [];
};

/** Its outcome, or why there is none. */
function settled(writer: PostgresWriter, withoutStandby = false): Promise<string> {
  return new Promise((resolve) => {
    void writer.write([
      {
        batch: { puts: [{ key: Buffer.from('k'), value: Buffer.from('v') }], withoutStandby },
        bytes: 1,
        resolve: ({ outcome }) => resolve(outcome),
        reject: ({ message }) => resolve(message),
      },
    ]);
  });
}

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

it('tells when the server lacks what was acknowledged, and writes nothing that was decided before', {
  timeout: 60_000,
}, async () => {
  const applied: Answers = (name) => (name === 'apply' ? [[Buffer.from('')]] : takeOver(name));
  const told: string[] = [];
  const servers = ['first', 'behind', 'whole'].map((server) =>
    sessionOfNobody((name) => {
      told.push(`${server} ${name}`);
      return name === 'outcome' && server === 'whole' ? [[generation]] : applied(name);
    }),
  );
  let next = 0;
  let opened = Promise.withResolvers<void>();
  const open = async () => {
    await opened.promise;
    return servers[++next]!.session;
  };
  const writer = new PostgresWriter({
    identity: { id: Buffer.alloc(16), applicationName: 'rookery commit test' },
    connect: open,
    durability: 'local',
    allowAlone: false,
    awayLimitMs: 60_000,
    committed: ({ resolve }) => resolve({ outcome: 'committed' }),
    moved: () => told.push('moved'),
    reverted: () => told.push('reverted'),
    clock: systemClock,
    log: silentLog,
  });
  await writer.open(servers[0]!.session);
  assert.equal(await write(writer), 'committed');
  servers[0]!.session.destroy('cut');
  const waiting = settled(writer);
  for (let turn = 0; turn < 3; turn++) await systemClock.nextTurn();
  opened.resolve();
  assert.equal(await waiting, 'the database lost what this was decided on');
  assert.deepEqual(
    told.filter((each) => /moved|reverted|apply/.test(each)),
    ['first apply', 'moved', 'reverted'],
  );
  assert.equal(await settled(writer), 'committed');
  // One that has it all is no news.
  opened = Promise.withResolvers<void>();
  servers[1]!.session.destroy('cut');
  const last = settled(writer);
  opened.resolve();
  assert.equal(await last, 'committed');
  assert.equal(told.filter((each) => each === 'reverted').length, 1);
  assert.ok(told.includes('whole outcome'));
  await writer.close();
});

it('tells when the server lacks what went there without a standby, and that it was no mail', {
  timeout: 60_000,
}, async () => {
  const told: string[] = [];
  let refusals = 0;
  const alone = sessionOfNobody((name) => {
    if (name === 'standby') return [[Buffer.alloc(4)]];
    if (name !== 'apply') return takeOver(name);
    if (refusals++ === 0) return Promise.reject(new PostgresError(noStandby, 'none is attached'));
    return [[Buffer.from('')]];
  });
  const behind = sessionOfNobody((name) => (name === 'apply' ? [[Buffer.from('')]] : takeOver(name)));
  let next = alone;
  const writer = new PostgresWriter({
    identity: { id: Buffer.alloc(16), applicationName: 'rookery commit test' },
    connect: async () => next.session,
    durability: 'standby',
    allowAlone: false,
    awayLimitMs: 60_000,
    committed: ({ resolve }) => resolve({ outcome: 'committed' }),
    moved: () => told.push('moved'),
    reverted: (_gone, mayLackMail) => told.push(mayLackMail ? 'mail is gone' : 'reverted'),
    clock: systemClock,
    log: silentLog,
  });
  await writer.open(alone.session);
  assert.equal(await settled(writer, true), 'committed');
  next = behind;
  alone.session.destroy('cut');
  assert.equal(await settled(writer, true), 'the database lost what this was decided on');
  assert.deepEqual(told, ['moved', 'reverted']);
  await writer.close();
});

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
    reverted: () => {},
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
