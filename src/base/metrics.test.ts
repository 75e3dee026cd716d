import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metrics, seriesMax } from './metrics.ts';
import { observeProcess } from './process-metrics.ts';

test('counters, gauges and histograms appear with their labels', async () => {
  const metrics = new Metrics();
  const messages = metrics.counter({ name: 'messages_total', help: 'h', labels: ['protocol', 'outcome'] });
  messages.with({ protocol: 'lmtp', outcome: 'delivered' }).add();
  messages.with({ protocol: 'lmtp', outcome: 'delivered' }).add(2);
  messages.with({ protocol: 'smtp', outcome: 'refused' }).add();
  const sessions = metrics.gauge({ name: 'sessions', help: 'h' }).with({});
  sessions.add(5);
  sessions.add(-2);
  metrics
    .histogram({ name: 'commit_seconds', help: 'h', buckets: [0.1, 1] })
    .with({})
    .observe(0.5);
  metrics.observed({ name: 'depth', help: 'h' }, () => 7);
  metrics.observedTotal({ name: 'flushes_total', help: 'h' }, () => 8);
  const text = await metrics.expose();
  assert.match(text, /^messages_total\{protocol="lmtp",outcome="delivered"\} 3$/m);
  assert.match(text, /^messages_total\{protocol="smtp",outcome="refused"\} 1$/m);
  assert.match(text, /^sessions 3$/m);
  assert.match(text, /^commit_seconds_bucket\{le="0.1"\} 0$/m);
  assert.match(text, /^commit_seconds_bucket\{le="1"\} 1$/m);
  assert.match(text, /^# TYPE depth gauge\ndepth 7$/m);
  assert.match(text, /^# TYPE flushes_total counter\nflushes_total 8$/m);
  assert.equal(await metrics.expose(), text, 'reading twice does not count twice');
});

test('a metric without labels is there before anything was counted', async () => {
  const metrics = new Metrics();
  metrics.counter({ name: 'faults_total', help: 'h' });
  assert.match(await metrics.expose(), /^faults_total 0$/m);
});

test('two servers do not share numbers', async () => {
  const [one, two] = [new Metrics(), new Metrics()];
  one.counter({ name: 'x_total', help: 'h' }).with({}).add(9);
  two.counter({ name: 'x_total', help: 'h' });
  assert.match(await two.expose(), /^x_total 0$/m);
});

test('a family is bounded: past the limit everything is counted as other', async () => {
  const metrics = new Metrics();
  const family = metrics.counter({ name: 'x_total', help: 'h', labels: ['name'] });
  for (let at = 0; at < seriesMax + 50; at++) family.with({ name: `n${at}` }).add();
  const lines = (await metrics.expose()).split('\n').filter((line) => line.startsWith('x_total{'));
  assert.equal(lines.length, seriesMax + 1);
  assert.ok(lines.includes('x_total{name="other"} 50'));
});

test('the process is observed until disposed of', async () => {
  const metrics = new Metrics();
  using _observation = observeProcess(metrics, '1.2.3');
  const text = await metrics.expose();
  for (const name of ['rookery_event_loop_delay_p99_seconds', 'process_resident_memory_bytes']) {
    assert.match(text, new RegExp(`^${name} \\d`, 'm'));
  }
});
