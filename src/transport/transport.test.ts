import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeliveryPorts } from '../account/delivery.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import type { AccountId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import { bounced, deferred, sent, worstOutcome } from './delivery/delivery-outcome.ts';
import { type IncomingMessage, Intake } from './intake.ts';
import { readMessageHead, scanHeader } from './message-head.ts';
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
    const cutText = pieces(text.slice(0, cut), text.slice(cut));
    assert.deepEqual(readMessageHead(scanHeader(cutText)), expected, `${cut}`);
  }
  const hasHeader = (...texts: string[]): boolean => readMessageHead(scanHeader(pieces(...texts))).hasHeader;
  assert.deepEqual(
    [hasHeader(), hasHeader('only a body\r\n'), hasHeader('\r\nonly a body\r\n')],
    [false, false, true],
  );
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
  const keyOf = (sender: string, ...texts: string[]): string =>
    partial.key({ sender, pieces: pieces(...texts), length: 11 });
  const key = keyOf('a@b', 'hello ', 'world');
  assert.equal(keyOf('a@b', 'hello world'), key);
  assert.notEqual(keyOf('c@d', 'hello world'), key);
  partial.remember(key, new Set(['alice/']));
  partial.remember(key, new Set(['bob/work']));
  assert.deepEqual([...partial.delivered(key)!], ['alice/', 'bob/work']);
  for (let index = 0; index < 1_000; index++) partial.remember(`${index}`, new Set(['alice/']));
  assert.equal(partial.delivered(key), undefined);
  partial.forget('999');
  assert.equal(partial.delivered('999'), undefined);
});

/** Over accounts that do with a delivery what `deliver` does. */
function intakeOver(deliver: DeliveryPorts['deliver'], now: () => number = systemClock.now): Intake {
  return new Intake({
    accounts: { open: () => assert.fail('sessions only') },
    deliveries: { deliver },
    hostname: 'mx.test',
    clock: { ...systemClock, now },
    random: systemRandom,
  });
}

/** From \u00fc@b to a@b and its details, by SMTP. */
function incoming(text: string, ...details: (string | undefined)[]): IncomingMessage {
  const targets = details.map((detail) => ({ accountId: 'alice' as AccountId, address: 'a@b', detail }));
  return {
    traceId: 'id',
    log: silentLog,
    origin: { hello: 'x', remoteAddress: '192.0.2.1', protocol: 'ESMTP', tls: undefined },
    sender: '\u00fc@b',
    recipients: targets.map((target) => ({ address: 'a@b', targets: [target] })),
    pieces: pieces(...text),
    length: text.length,
    isCrlf: true,
    submission: undefined,
    oneAnswer: true,
  };
}

test('a message has the date of the second that it came in', async () => {
  let now = 999;
  const taken: string[] = [];
  const deliver: DeliveryPorts['deliver'] = async (_, { message }) => {
    taken.push(Buffer.from(message.prepared.bytes).toString());
  };
  const intake = intakeOver(deliver, () => now);
  const accept = async (text: string): Promise<void> => {
    assert.deepEqual(await intake.accept(incoming(text, undefined)), [sent]);
  };
  await accept('Subject: first\r\n\r\n');
  now = 1000;
  await accept('Subject: second\r\n\r\n');
  await accept('Subject: third\r\n\r\n');
  const stored = (second: number, text: string): string =>
    'Return-Path: <\u00fc@b>\r\nDelivered-To: a@b\r\n' +
    'Received: from x ([192.0.2.1])\r\n\tby mx.test (Rookery) with ESMTP id id\r\n\tfor <a@b>;\r\n' +
    `\tThu, 1 Jan 1970 00:00:0${second} +0000\r\nSubject: ${text}\r\n\r\n`;
  assert.deepEqual(taken, [stored(0, 'first'), stored(1, 'second'), stored(1, 'third')]);
});

test('of two mailboxes of one account, the one that failed gets its copy when the message comes again', async () => {
  const taken: (string | undefined)[] = [];
  let isFull = true;
  const intake = intakeOver(async (_, { detail }) => {
    if (isFull && detail === 'work') throw new MailError('storageFull', 'full');
    taken.push(detail);
  });
  const message = incoming('Subject: x\r\n\r\n', 'home', 'work');
  assert.deepEqual(await intake.accept(message), [sent, deferred('storageFull')]);
  isFull = false;
  assert.deepEqual(await intake.accept(message), [sent, sent]);
  assert.deepEqual(taken, ['home', 'work']);
  // It is over: the same message anew goes to both.
  assert.deepEqual(await intake.accept(message), [sent, sent]);
  assert.deepEqual(taken, ['home', 'work', 'home', 'work']);
});
