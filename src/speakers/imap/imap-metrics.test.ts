import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metrics } from '../../base/metrics.ts';
import { commandObserver } from './imap-metrics.ts';

test('commands are counted by name and outcome, over all listeners; IDLE is not timed', async () => {
  const metrics = new Metrics();
  const listeners = [commandObserver(metrics), commandObserver(metrics)];
  for (const observe of listeners) {
    observe('FETCH', 'OK', 20);
    observe('FETCH', 'NO', 0.1);
    observe('NOOP', 'OK', 1);
    observe('IDLE', 'OK', 60_000);
  }
  listeners[0]!('FETCH', 'OK', 3_000);
  const lines = (await metrics.expose()).split('\n');
  const counted = lines.filter((line) => line.startsWith('rookery_imap_commands_total{'));
  assert.deepEqual(counted.sort(), [
    'rookery_imap_commands_total{command="FETCH",outcome="NO"} 2',
    'rookery_imap_commands_total{command="FETCH",outcome="OK"} 3',
    'rookery_imap_commands_total{command="IDLE",outcome="OK"} 2',
    'rookery_imap_commands_total{command="NOOP",outcome="OK"} 2',
  ]);
  const timed = lines.filter((line) => /^rookery_imap_command_seconds_(?:count|sum)/.test(line));
  assert.deepEqual(timed.map((line) => line.slice('rookery_imap_command_seconds_'.length)).sort(), [
    'count{command="FETCH"} 5',
    'count{command="NOOP"} 2',
    'sum{command="FETCH"} 3.0402',
    'sum{command="NOOP"} 0.002',
  ]);
});

test('without metrics nothing is counted, and nothing fails', () => {
  commandObserver(undefined)('NOOP', 'OK', 1);
});
