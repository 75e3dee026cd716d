import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dateField, headerField, messageIdField, receivedField, returnPathField } from './compose-header.ts';

test('Return-Path, Date, Message-ID', () => {
  assert.equal(returnPathField(undefined), 'Return-Path: <>\r\n');
  assert.equal(returnPathField({ localPart: 'a b', domain: 'c.test' }), 'Return-Path: <"a b"@c.test>\r\n');
  assert.equal(dateField(0), 'Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n');
  assert.equal(messageIdField('abc.123', 'mail.example.test'), 'Message-ID: <abc.123@mail.example.test>\r\n');
});

test('Received', () => {
  const field = receivedField({
    heloName: 'client.example',
    remoteAddress: '2001:db8::1',
    remoteName: 'mx.example',
    byName: 'mail.example.test',
    protocol: 'ESMTPS',
    id: '01J8ZK',
    tls: 'TLS_AES_256_GCM_SHA384 TLSv1.3',
    forAddress: { localPart: 'alice', domain: 'example.test' },
    unixSeconds: 0,
  });
  assert.equal(
    field,
    'Received: from client.example (mx.example [IPv6:2001:db8::1]) by\r\n' +
      '\tmail.example.test with ESMTPS (TLS_AES_256_GCM_SHA384 TLSv1.3) id\r\n' +
      '\t01J8ZK for <alice@example.test>; Thu, 1 Jan 1970 00:00:00 +0000\r\n',
  );
});

test('whatever a client says, it stays one field', () => {
  assert.equal(headerField('X', 'a\r\nY: b\r\n\r\nbody'), 'X: a Y: b body\r\n');
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      const fields = [
        headerField('X', text),
        messageIdField(text, text),
        receivedField({
          heloName: text,
          remoteAddress: text,
          byName: text,
          protocol: text,
          id: text,
          tls: text,
          unixSeconds: 0,
        }),
      ];
      for (const field of fields) assert.match(field, /^[A-Za-z-]+:(?: [^\r\n]*)?(?:\r\n\t[^\r\n]+)*\r\n$/);
    }),
    { numRuns: 200 },
  );
});
