// What a caller says first, as it is read.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinkProtocolError } from './frame.ts';
import { encodeRequest, parseRequest } from './link-request.ts';

test('a request is read as it was written', () => {
  const given = { service: 's', method: 'm', arguments: [1, 'two'], answerBytes: 7 };
  for (const grant of [undefined, Buffer.from('grant')]) {
    const request = { ...given, grant };
    assert.deepStrictEqual(parseRequest(encodeRequest(request)), request);
  }
});

test('what is no request is refused', () => {
  const long = 'x'.repeat(65);
  for (const wire of [
    undefined,
    {},
    'smfga',
    [],
    ['s', 'm', undefined, 1],
    ['s', 'm', undefined, 1, 0, 0],
    ['', 'm', undefined, 1, 0],
    ['s', long, undefined, 1, 0],
    ['s', 5, undefined, 1, 0],
    ['s', 'm', 'grant', 1, 0],
    ['s', 'm', Buffer.alloc(4097), 1, 0],
    ['s', 'm', undefined, 1, -1],
    ['s', 'm', undefined, 1, 0.5],
    ['s', 'm', undefined, 1, '0'],
  ])
    assert.throws(() => parseRequest(wire), LinkProtocolError, JSON.stringify(wire));
});
