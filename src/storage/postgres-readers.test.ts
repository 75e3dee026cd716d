// Readers: a connection that was lost a moment ago takes no place.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { PostgresReaders } from './postgres-readers.ts';
import { sessionOfNobody } from './testing-postgres-session.ts';

it('opens another connection when those there are were lost and their end is not told yet', async () => {
  const row = [Buffer.from('row')];
  const first = sessionOfNobody(() => [row], { endsLate: true });
  const second = sessionOfNobody(() => [row]);
  const sessions = [first, second];
  const readers = new PostgresReaders({
    connect: async () => sessions.shift()!.session,
    connectionsMax: 1,
    awayLimitMs: 60_000,
    clock: systemClock,
  });
  const statement = { name: 'look', text: '' };
  await readers.run(statement, []);
  first.session.destroy('cut');
  assert.deepEqual(await readers.run(statement, []), [row]);
  assert.deepEqual([first.asked, second.asked], [['look'], ['look']]);
  await readers.close();
});
