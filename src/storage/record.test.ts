// Records come back whole or not at all.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  decodeJsonRecord,
  decodeRecord,
  encodeJsonRecord,
  encodeRecord,
  RecordDamaged,
  recordKinds,
} from './record.ts';

it('gives back the payload of all pieces with the version', () => {
  const record = encodeRecord('message', 3, Buffer.from('ab'), Buffer.alloc(0), Buffer.from('c'));
  const { version, payload } = decodeRecord('message', 5, record);
  assert.equal(version, 3);
  assert.equal(payload.toString(), 'abc');
  assert.equal(decodeRecord('store', 1, encodeRecord('store', 1)).payload.length, 0);
});

it('notices every changed byte and every cut', () => {
  const record = encodeRecord('message', 1, Buffer.from('payload'));
  for (let at = 0; at < record.length; at++) {
    const damaged = Buffer.from(record);
    damaged[at] = damaged[at]! ^ 0x40;
    assert.throws(() => decodeRecord('message', 1, damaged), RecordDamaged, `byte ${at}`);
    assert.throws(() => decodeRecord('message', 1, record.subarray(0, at)), RecordDamaged, `cut at ${at}`);
  }
});

it('refuses another kind and a newer version, and says so', () => {
  const record = encodeRecord('message', 2, Buffer.from('x'));
  assert.throws(() => decodeRecord('mailbox', 2, record), /expected a mailbox record, found kind 3/);
  assert.throws(() => decodeRecord('message', 1, record), /has format 2; this Rookery knows up to 1/);
});

it('has a number of its own for every kind', () => {
  assert.equal(new Set(Object.values(recordKinds)).size, Object.keys(recordKinds).length);
});

it('carries JSON, and calls a payload that is none damaged', () => {
  const value = { name: 'Gelöscht', count: 3 };
  assert.deepEqual(decodeJsonRecord('mailbox', 1, encodeJsonRecord('mailbox', 1, value)), value);
  const other = encodeRecord('mailbox', 1, Buffer.from('{"name":'));
  assert.throws(() => decodeJsonRecord('mailbox', 1, other), RecordDamaged);
});
