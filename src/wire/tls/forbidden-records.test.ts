// Records that must not be: each ends the session with the alert that RFC 8446 names, and nothing after it counts.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { alerts, openAll, session } from './test-record-session.ts';
import { contentTypes, ReferenceKeys, secretFor } from './test-reference-keys.ts';

const { changeCipherSpec, alert, handshake, data, none } = contentTypes;

describe('a record that must not be', () => {
  type Made = (keys: ReferenceKeys) => Buffer;
  const clear =
    (type: number, content: string): Made =>
    () =>
      Buffer.concat([Buffer.of(type, 3, 3, 0, content.length), Buffer.from(content, 'latin1')]);
  const sealed =
    (type: number, content: string | Uint8Array, padding = 0): Made =>
    (keys) =>
      keys.seal(type, content, padding);
  const announced =
    (length: number): Made =>
    () =>
      Buffer.of(23, 3, 3, length >> 8, length & 0xff);
  const cases: Readonly<Record<string, readonly [keyof typeof alerts, Made]>> = {
    'ChangeCipherSpec in the clear': ['unexpectedMessage', clear(changeCipherSpec, '\x01')],
    'an alert in the clear': ['unexpectedMessage', clear(alert, '\x01\x00')],
    'a handshake message in the clear': ['unexpectedMessage', clear(handshake, '\x01\x00\x00\x00')],
    'a protected record that says it is not': [
      'unexpectedMessage',
      (keys) => keys.seal(data, 'evil', 0, handshake),
    ],
    'a heartbeat': ['unexpectedMessage', clear(24, '\x01\x00\x00')],
    'a command in the clear': ['unexpectedMessage', () => Buffer.from('a NOOP\r\n')],
    'one of 2^14 + 257 bytes, announced': ['recordOverflow', announced(2 ** 14 + 257)],
    'one of 65,535 bytes, announced': ['recordOverflow', announced(65_535)],
    'one without content': ['badRecordMac', announced(0)],
    'one without a tag': ['badRecordMac', announced(16)],
    'content above 2^14': ['recordOverflow', sealed(data, Buffer.alloc(2 ** 14 + 1, 'x'))],
    'padding beyond 2^14': ['recordOverflow', sealed(data, Buffer.alloc(2 ** 14 - 10, 'x'), 11)],
    'padding only': ['unexpectedMessage', sealed(none, '', 20)],
    'no type': ['unexpectedMessage', sealed(none, '')],
    'ChangeCipherSpec, protected': ['unexpectedMessage', sealed(changeCipherSpec, '\x01')],
    'an unknown type, protected': ['unexpectedMessage', sealed(24, 'x')],
    'a handshake record without content': ['unexpectedMessage', sealed(handshake, '')],
    'a second ClientHello': ['unexpectedMessage', sealed(handshake, '\x01\x00\x00\x01\x00')],
    'a ticket from a client': ['unexpectedMessage', sealed(handshake, '\x04\x00\x00\x01\x00')],
    'a second Finished': ['unexpectedMessage', sealed(handshake, `\x14\x00\x00\x20${'x'.repeat(32)}`)],
    'half a KeyUpdate': ['unexpectedMessage', sealed(handshake, '\x18\x00\x00')],
    'a KeyUpdate with something behind it': [
      'unexpectedMessage',
      sealed(handshake, '\x18\x00\x00\x01\x00\x18'),
    ],
    'a KeyUpdate of two bytes': ['unexpectedMessage', sealed(handshake, '\x18\x00\x00\x02\x00\x00')],
    'a KeyUpdate that asks for what is not defined': [
      'illegalParameter',
      sealed(handshake, '\x18\x00\x00\x01\x02'),
    ],
    'an alert without content': ['unexpectedMessage', sealed(alert, '')],
    'half an alert': ['decodeError', sealed(alert, '\x01')],
    'an alert and a half': ['decodeError', sealed(alert, '\x01\x00\x01')],
    'one that was changed': [
      'badRecordMac',
      (keys) => {
        const record = keys.seal(data, 'evil');
        record[7]! ^= 1;
        return record;
      },
    ],
    'one that comes too early': [
      'badRecordMac',
      (keys) => {
        keys.sequence++;
        return keys.seal(data, 'evil');
      },
    ],
    'one that comes again': [
      'badRecordMac',
      (keys) => {
        keys.sequence--;
        return keys.seal(data, 'good');
      },
    ],
    'one of somebody else': [
      'badRecordMac',
      () =>
        new ReferenceKeys('TLS_AES_128_GCM_SHA256', secretFor('TLS_AES_128_GCM_SHA256', 3)).seal(
          data,
          'evil',
        ),
    ],
  };
  for (const [name, [description, make]] of Object.entries(cases)) {
    for (const isCut of [false, true]) {
      test(`${name}${isCut ? ', byte by byte' : ''}: ${description}, and nothing after`, () => {
        const { records, keys, answers, peer } = session();
        const before = keys.seal(data, 'good');
        const bad = make(keys);
        const wire = Buffer.concat([before, bad, keys.seal(data, 'after')]);
        if (isCut) for (const byte of wire) records.open(Buffer.of(byte), peer);
        else records.open(wire, peer);
        records.open(keys.seal(data, 'later'), peer);
        assert.equal(peer.read.toString(), 'good');
        assert.equal(peer.failures.length, 1);
        assert.equal(peer.ends, 0);
        assert.deepEqual(openAll(answers, peer.sent), [
          { type: alert, content: Buffer.of(2, alerts[description]) },
        ]);
      });
    }
  }
});

test('records without data come some times in a row, and no more', () => {
  // RFC 8446 6.1: user_canceled says nothing by itself.
  for (const [type, content] of [[data, ''] as const, [alert, '\x01\x5a'] as const]) {
    const { records, keys, answers, peer } = session();
    for (let round = 0; round < 3; round++) {
      for (let count = 0; count < 32; count++) records.open(keys.seal(type, content, count), peer);
      records.open(keys.seal(data, 'x'), peer);
    }
    assert.equal(peer.failures.length, 0);
    for (let count = 0; count < 33; count++) {
      assert.equal(peer.failures.length, 0);
      records.open(keys.seal(type, content), peer);
    }
    assert.equal(peer.failures.length, 1);
    assert.equal(peer.read.toString(), 'xxx');
    assert.deepEqual(openAll(answers, peer.sent), [
      { type: alert, content: Buffer.of(2, alerts.unexpectedMessage) },
    ]);
  }
});
