import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDone, parseAuthenticateLine } from './continuation-line.ts';

test('DONE', () => {
  assert.equal(isDone(Buffer.from('DONE\r\n')), true);
  assert.equal(isDone(Buffer.from('done\n')), true);
  assert.equal(isDone(Buffer.from('DONE \r\n')), false);
  assert.equal(isDone(Buffer.from('a DONE\r\n')), false);
});

test('AUTHENTICATE lines: base64, empty, cancelled, nonsense', () => {
  assert.deepEqual(parseAuthenticateLine(Buffer.from('AGEAYg==\r\n')), Buffer.from('\0a\0b'));
  assert.deepEqual(parseAuthenticateLine(Buffer.from('\r\n')), Buffer.alloc(0));
  assert.equal(parseAuthenticateLine(Buffer.from('*\r\n')), 'cancelled');
  for (const line of ['AGEAYg=', 'AGE AYg==', 'AGEAYh==', '?', '\xff'])
    assert.equal(parseAuthenticateLine(Buffer.from(`${line}\r\n`, 'latin1')), undefined, line);
});
