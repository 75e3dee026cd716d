// Looks: however many connections are silent, one at a time is opened to look after them.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { GatheredLooks } from './postgres-silence.ts';
import { sessionOfNobody } from './testing-postgres-session.ts';

it('looks after all connections that are silent over one', async () => {
  let open = 0;
  let most = 0;
  let connects = 0;
  const looks = new GatheredLooks(async () => {
    connects++;
    most = Math.max(most, ++open);
    await systemClock.nextTurn();
    const { session } = sessionOfNobody(() => [[Buffer.from('the server waits for us')]]);
    void session.ended.then(() => open--);
    return session;
  }, systemClock);
  const explain = (pid: number) => looks.explain({ pid, applicationName: 'rookery read test' });
  const first = Array.from({ length: 20 }, (_, pid) => explain(pid));
  while (connects === 0 || open > 0) await systemClock.nextTurn();
  const second = Array.from({ length: 20 }, (_, pid) => explain(pid));
  const whys = await Promise.all([...first, ...second]);
  assert.deepEqual(whys, Array(40).fill('the server waits for us'));
  assert.deepEqual([connects, most], [2, 1]);
});

it('tells all that wait when it cannot look, and looks again for the next', async () => {
  let isAway = true;
  const looks = new GatheredLooks(async () => {
    if (isAway) throw new Error('nobody there');
    return sessionOfNobody(() => []).session;
  }, systemClock);
  const explain = (pid: number) => looks.explain({ pid, applicationName: 'rookery read test' });
  const refused = await Promise.allSettled([explain(1), explain(2)]);
  assert.deepEqual(
    refused.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  isAway = false;
  assert.equal(await explain(1), 'the server does not know it any more');
});
