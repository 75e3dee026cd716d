// THREAD responses, after the examples of RFC 5256 section 4.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { finishAtOnce } from '../../base/slicer.ts';
import { formatThreadSteps } from './format-esearch.ts';

function formatThread(pairs: readonly number[]): string {
  return finishAtOnce(formatThreadSteps(pairs));
}

test('chains, branches and parents that are not there', () => {
  assert.equal(formatThread([]), '* THREAD\r\n');
  assert.equal(formatThread([0, 2]), '* THREAD (2)\r\n');
  const example = [0, 2, 0, 3, 1, 6, 2, 4, 3, 23, 2, 44, 3, 7, 4, 96];
  assert.equal(formatThread(example), '* THREAD (2)(3 6 (4 23)(44 7 96))\r\n');
  assert.equal(formatThread([0, 0, 1, 3, 1, 5]), '* THREAD ((3)(5))\r\n');
  const nested = [0, 1, 1, 2, 2, 3, 2, 4, 1, 5, 2, 6, 0, 7];
  assert.equal(formatThread(nested), '* THREAD (1 (2 (3)(4))(5 6))(7)\r\n');
  assert.equal(formatThread([0, 0, 1, 1, 2, 2, 2, 3, 1, 4]), '* THREAD ((1 (2)(3))(4))\r\n');
});

test('a thread as deep as a mailbox is written in time and without nesting', () => {
  const pairs = Array.from({ length: 100_000 }, (_, at) => [at, at + 1]).flat();
  const numbers = Array.from({ length: 100_000 }, (_, at) => at + 1).join(' ');
  assert.equal(formatThread(pairs), `* THREAD (${numbers})\r\n`);
});
