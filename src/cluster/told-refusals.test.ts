import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Logger } from '../base/log.ts';
import { HandClock } from './testing-cluster-members.ts';
import { ToldRefusals } from './told-refusals.ts';

test('within a minute one line of each, few in all; the next minute says how many there were besides', async () => {
  const lines: { readonly untold?: number; readonly from: string }[] = [];
  const warn = (fields: { readonly from: string }): void => void lines.push(fields);
  const clock = new HandClock();
  const refusals = new ToldRefusals({ warn } as unknown as Logger, clock);
  const tell = (from: string): void => refusals.tell(from, 'warn', [{ from }, 'refused']);
  for (let time = 0; time < 5; time++) tell('192.0.2.1');
  assert.deepEqual(lines, [{ from: '192.0.2.1' }]);
  for (let host = 0; host < 1_000; host++) tell(`198.51.100.${host}`);
  assert.equal(lines.length, 20);
  // What was left out so far is told with the first line after it.
  assert.equal(lines[1]!.untold, 4);
  await clock.advance(60_000);
  tell('192.0.2.1');
  assert.deepEqual(lines.at(-1), { from: '192.0.2.1', untold: 981 });
  await clock.advance(60_000);
  tell('192.0.2.1');
  assert.deepEqual(lines.at(-1), { from: '192.0.2.1' });
});
