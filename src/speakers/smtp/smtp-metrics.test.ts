import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metrics } from '../../base/metrics.ts';
import { bounced, deferred, sent } from '../../transport/delivery/delivery-outcome.ts';
import { SmtpMetrics } from './smtp-metrics.ts';

test('messages, bytes and copies are counted by profile', async () => {
  const metrics = new Metrics();
  const counts = new SmtpMetrics(metrics);
  counts.received('mx', 100, [sent, deferred('inUse')]);
  counts.received('lmtp', 7, [bounced('loop')]);
  counts.received('mx', 11, [sent]);
  const lines = (await metrics.expose()).split('\n').filter((line) => line.startsWith('rookery_'));
  const copies = (profile: string, ...numbers: number[]): string[] =>
    ['sent', 'deferred', 'bounced'].map(
      (outcome, index) =>
        `rookery_smtp_recipients_total{profile="${profile}",outcome="${outcome}"} ${numbers[index]}`,
    );
  assert.deepEqual(lines, [
    'rookery_smtp_messages_total{profile="mx"} 2',
    'rookery_smtp_messages_total{profile="lmtp"} 1',
    'rookery_smtp_bytes_total{profile="mx"} 111',
    'rookery_smtp_bytes_total{profile="lmtp"} 7',
    ...copies('mx', 2, 1, 0),
    ...copies('lmtp', 0, 0, 1),
  ]);
});
