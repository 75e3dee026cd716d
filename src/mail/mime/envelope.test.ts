import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyEnvelope, parseEnvelope } from './envelope.ts';

test('values are raw, unfolded, and repeated lists are joined', () => {
  const bytes = Buffer.from(
    'DATE: Thu, 11 Apr 1996 01:10:30 -0500\r\nSubject:  =?utf-8?Q?x?=\r\n\ty\r\nTo: a@b.test\r\nTo: c@d.test\r\n' +
      'From: \xe4 <e@f.test>\r\nSubject: second\r\nReply-To:\r\nIn-Reply-To: <1@x>\r\nMessage-ID: <2@x>\r\nX-To: no\r\n\r\nCc: body',
    'latin1',
  );
  assert.deepEqual(parseEnvelope(bytes), {
    date: 'Thu, 11 Apr 1996 01:10:30 -0500',
    subject: '=?utf-8?Q?x?=\ty',
    from: '\xe4 <e@f.test>',
    sender: '\xe4 <e@f.test>',
    replyTo: '\xe4 <e@f.test>',
    to: 'a@b.test, c@d.test',
    cc: undefined,
    bcc: undefined,
    inReplyTo: '<1@x>',
    messageId: '<2@x>',
  });
});

test('without header there is nothing in it', () => {
  assert.deepEqual(parseEnvelope(Buffer.from('\r\nFrom: x')), emptyEnvelope());
});
