// A client's last flight of a handshake, however its messages lie in records.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientFlight } from './client-flight.ts';
import { contentTypes, ReferenceKeys, secretFor } from './test-reference-keys.ts';
import { TrafficKeys } from './traffic-keys.ts';

const { alert, handshake, data } = contentTypes;
const suite = 'TLS_AES_128_GCM_SHA256';

function flight(): { flight: ClientFlight; keys: ReferenceKeys } {
  const secret = secretFor(suite);
  return { flight: new ClientFlight(new TrafficKeys(suite, secret)), keys: new ReferenceKeys(suite, secret) };
}

const message = (type: number, length: number, fill = 20): Buffer =>
  Buffer.concat([
    Buffer.of(type, length >> 16, (length >> 8) & 0xff, length & 0xff),
    Buffer.alloc(length, fill),
  ]);

// What they are filled with looks like a Finished.
const certificate = message(11, 300);
const verify = message(15, 80);
const finished = message(20, 32);
const whole = Buffer.concat([certificate, verify, finished]);

test('a Finished alone', () => {
  const { flight: client, keys } = flight();
  const record = keys.seal(handshake, finished);
  const before = Buffer.from(record);
  assert.equal(client.endsWith(record), true);
  assert.deepEqual(record, before, 'the record is for OpenSSL, too');
});

test('cut in two at each byte, with padding', () => {
  for (let at = 1; at < whole.length; at++) {
    const { flight: client, keys } = flight();
    assert.equal(client.endsWith(keys.seal(handshake, whole.subarray(0, at), at)), false, `at ${at}`);
    assert.equal(client.endsWith(keys.seal(handshake, whole.subarray(at))), true, `at ${at}`);
  }
});

test('a byte a record', () => {
  const { flight: client, keys } = flight();
  for (const [at, byte] of whole.entries())
    assert.equal(client.endsWith(keys.seal(handshake, Buffer.of(byte))), at === whole.length - 1);
});

test('all in one, and messages without a body', () => {
  const { flight: client, keys } = flight();
  assert.equal(client.endsWith(keys.seal(handshake, message(5, 0))), false);
  assert.equal(client.endsWith(keys.seal(handshake, Buffer.concat([message(5, 0), whole]))), true);
  const other = flight();
  assert.equal(other.flight.endsWith(other.keys.seal(handshake, message(20, 0))), true);
});

test('a message that is longer than all that comes ends nothing, and nothing of it is kept', () => {
  const { flight: client, keys } = flight();
  assert.equal(client.endsWith(keys.seal(handshake, Buffer.of(11, 0xff, 0xff, 0xff))), false);
  for (let count = 0; count < 100; count++)
    assert.equal(client.endsWith(keys.seal(handshake, Buffer.concat([finished, finished]))), false);
});

test('what does not open, is in the clear or says something else ends nothing and leaves the keys as they are', () => {
  const { flight: client, keys } = flight();
  const stranger = new ReferenceKeys(suite, secretFor(suite, 9));
  const clear = Buffer.concat([Buffer.of(22, 3, 3, 0, finished.length), finished]);
  for (let count = 0; count < 3; count++) {
    // Early data that was refused, for one.
    assert.equal(client.endsWith(stranger.seal(handshake, finished)), false);
    assert.equal(client.endsWith(clear), false);
    assert.equal(client.endsWith(Buffer.of(20, 3, 3, 0, 1, 1)), false);
    assert.equal(client.endsWith(Buffer.of(23, 3, 3, 0, 0)), false);
  }
  assert.equal(client.endsWith(keys.seal(handshake, finished, 0, handshake)), false);
  keys.sequence--;
  const changed = keys.seal(handshake, finished);
  keys.sequence--;
  changed[10]! ^= 1;
  assert.equal(client.endsWith(changed), false);
  for (const type of [alert, data]) assert.equal(client.endsWith(keys.seal(type, finished)), false);
  assert.equal(client.endsWith(keys.seal(contentTypes.none, '', 10)), false);
  assert.equal(client.endsWith(keys.seal(handshake, finished)), true);
});
