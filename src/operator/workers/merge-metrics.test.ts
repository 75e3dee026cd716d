import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeMetrics } from './merge-metrics.ts';

test('families come once, series of all workers under their label', () => {
  const one = [
    '# HELP a_total Things',
    '# TYPE a_total counter',
    'a_total 3',
    '# HELP b_seconds Times',
    '# TYPE b_seconds histogram',
    'b_seconds_bucket{le="1",kind="x } y"} 2',
    'b_seconds_count 2',
    '',
  ].join('\n');
  const two = '# HELP a_total Things\n# TYPE a_total counter\na_total 4 1700000000\n';
  const three = '# HELP c Only here\n# TYPE c gauge\nc{} 1\n';
  assert.equal(
    mergeMetrics([
      { worker: 'worker-1', text: one },
      { worker: 'worker-2', text: two },
      { worker: 'supervisor', text: three },
    ]),
    [
      '# HELP a_total Things',
      '# TYPE a_total counter',
      'a_total{worker="worker-1"} 3',
      'a_total{worker="worker-2"} 4 1700000000',
      '# HELP b_seconds Times',
      '# TYPE b_seconds histogram',
      'b_seconds_bucket{worker="worker-1",le="1",kind="x } y"} 2',
      'b_seconds_count{worker="worker-1"} 2',
      '# HELP c Only here',
      '# TYPE c gauge',
      'c{worker="supervisor"} 1',
      '',
    ].join('\n'),
  );
});
