import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteBudget } from '../../base/byte-budget.ts';
import { systemClock } from '../../base/clock.ts';
import { type Connection, ConnectionClosed } from './connection.ts';
import { pieceBytesWithoutRoom, ReadAhead } from './read-ahead.ts';

const large = 1024 * 1024;

/** What `end` asks of a connection. */
function connectionThat(drain: () => Promise<void>): Connection {
  return { congested: true, drain } as unknown as Connection;
}

test('large pieces while there is room, small ones beyond it, large ones again when some is given back', async () => {
  const room = new ByteBudget(3 * large, systemClock);
  const sessions = Array.from({ length: 4 }, () => new ReadAhead(room));
  for (const session of sessions) session.begin(large);
  const pieces = () => sessions.map((session) => session.pieceBytes(large));
  assert.deepEqual(pieces(), [large, large, large, pieceBytesWithoutRoom]);
  assert.equal(sessions[3]!.pieceBytes(100), 100);
  assert.equal(room.bytesUsed, 3 * large);
  const { promise: taken, resolve: take } = Promise.withResolvers<void>();
  const ending = sessions[0]!.end(connectionThat(() => taken));
  // The client has not taken the answers: they are in memory.
  assert.equal(sessions[3]!.allowed, false);
  take();
  await ending;
  assert.deepEqual(pieces().slice(1), [large, large, large]);
  // Nothing more is wanted by the first one, and nothing is in its way.
  assert.equal(sessions[0]!.allowed, true);
  sessions[1]!.begin(0);
  assert.equal(room.bytesUsed, 2 * large);
});

test('the room is given back when the client is gone', async () => {
  const room = new ByteBudget(large, systemClock);
  const session = new ReadAhead(room);
  session.begin(large);
  assert.ok(session.allowed);
  await assert.rejects(
    session.end(connectionThat(() => Promise.reject(new ConnectionClosed()))),
    ConnectionClosed,
  );
  assert.equal(room.bytesUsed, 0);
});
