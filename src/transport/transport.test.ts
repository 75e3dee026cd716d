import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountId } from '../mail/ids.ts';
import { bounced, deferred, sent, worstOutcome } from './delivery/delivery-outcome.ts';
import { readMessageHead } from './message-head.ts';
import { PartialDeliveries } from './partial-deliveries.ts';
import { formatReceived } from './trace-headers.ts';

const pieces = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text, 'latin1'));

test('one answer for several copies: try again before no before yes', () => {
  assert.deepEqual(worstOutcome([sent, sent]), sent);
  assert.deepEqual(worstOutcome([sent, bounced('overQuota')]), bounced('overQuota'));
  assert.deepEqual(
    worstOutcome([bounced('overQuota'), deferred('storageFull'), sent]),
    deferred('storageFull'),
  );
});

test('the head is read however the message is cut', () => {
  const text =
    'RECEIVED: from x by A.test;\r\nReceived: from y\r\n by b.test with z\r\nDelivered-To: A@b\r\nDate: x\r\nmessage-id: <1>\r\n\r\nReceived: body\r\n';
  const expected = {
    receivedCount: 2,
    deliveredTo: ['a@b'],
    receivedBy: ['a.test', 'b.test'],
    hasHeader: true,
    hasFrom: false,
    hasDate: true,
    hasMessageId: true,
  };
  for (let cut = 0; cut <= text.length; cut++) {
    assert.deepEqual(readMessageHead(pieces(text.slice(0, cut), text.slice(cut))), expected, `${cut}`);
  }
  assert.equal(readMessageHead([]).hasHeader, false);
  assert.equal(readMessageHead(pieces('only a body\r\n')).hasHeader, false);
  assert.equal(readMessageHead(pieces('\r\nonly a body\r\n')).hasHeader, true);
});

test('Received in all its forms', () => {
  const origin = { hello: undefined, remoteAddress: '2001:db8::1', protocol: 'SMTP', tls: undefined };
  const field = { origin, hostname: 'mx.test', traceId: 'id', recipient: undefined, date: 'now' };
  assert.equal(
    formatReceived(field),
    'Received: from unknown ([IPv6:2001:db8::1])\r\n\tby mx.test (Rookery) with SMTP id id;\r\n\tnow\r\n',
  );
});

test('partial deliveries are remembered by what came, and not for ever', () => {
  const partial = new PartialDeliveries();
  const alice = 'alice' as AccountId;
  const key = partial.key('a@b', pieces('hello ', 'world'), 11);
  assert.equal(partial.key('a@b', pieces('hello world'), 11), key);
  assert.notEqual(partial.key('c@d', pieces('hello world'), 11), key);
  partial.remember(key, new Set([alice]));
  partial.remember(key, new Set(['bob' as AccountId]));
  assert.deepEqual([...partial.delivered(key)!], ['alice', 'bob']);
  for (let index = 0; index < 1_000; index++) partial.remember(`${index}`, new Set([alice]));
  assert.equal(partial.delivered(key), undefined);
  partial.forget('999');
  assert.equal(partial.delivered('999'), undefined);
});
