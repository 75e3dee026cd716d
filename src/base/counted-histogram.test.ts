import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Histogram, Registry } from 'prom-client';
import { CountedHistogram, CountedValues } from './counted-histogram.ts';

const buckets = [0.1, 0.5, 1];
const values = [0.05, 0.1, 0.100001, 0.5, 0.7, 1, 3, 1e9, 0];

test('tells what prom-client tells of the same values', async () => {
  const [registry, reference] = [new Registry(), new Registry()];
  const described = { name: 'x_seconds', help: 'h', labelNames: ['command'], buckets };
  const series = ['NOOP', 'a "quoted" one'].map(
    (command) => [{ command }, new CountedValues(buckets)] as const,
  );
  new CountedHistogram({ ...described, registers: [registry], series: () => series });
  const histogram = new Histogram({ ...described, registers: [reference] });
  for (const [labels, counted] of series) {
    for (const value of values) {
      counted.observe(value);
      histogram.observe(labels, value);
    }
  }
  assert.equal(await registry.metrics(), await reference.metrics());
});
