// Messages of a PostgreSQL server: any bytes are messages or refused, and the same ones in whatever pieces they come.

import assert from 'node:assert/strict';
import {
  type Message,
  MessageReader,
  readFields,
  readRow,
} from '../../src/storage/postgres/postgres-messages.ts';
import type { FuzzTarget } from './fuzz-target.ts';

/** What a reader makes of the pieces; ends with why the rest was refused. */
function readAll(pieces: readonly Buffer[]): string[] {
  const reader = new MessageReader();
  const found: string[] = [];
  try {
    for (const piece of pieces) for (const message of reader.add(piece)) found.push(shown(message));
  } catch (error) {
    assert(error instanceof Error && error.name !== 'TypeError', String(error));
    found.push('refused');
  }
  return found;
}

function shown(message: Message): string {
  const { type, body } = message;
  if (type === 'D') return `D ${readRow(message).map((column) => column?.toString('hex'))}`;
  if (type === 'E') return `E ${[...readFields(body)]}`;
  return `${type} ${body.toString('hex')}`;
}

export const target: FuzzTarget = {
  name: 'postgres-messages',
  seeds: () =>
    [
      'Z\0\0\0\x05I',
      'D\0\0\0\x10\0\x02\0\0\0\x02ab\xff\xff\xff\xff',
      'E\0\0\0\x1eVERROR\0C40001\0Mmeanwhile\0\0',
      '1\0\0\0\x042\0\0\0\x04D\0\0\0\x0b\0\x01\0\0\0\x01xC\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I',
    ].map((text) => Buffer.from(text, 'latin1')),
  run(input) {
    const whole = readAll([Buffer.from(input)]);
    const size = 1 + ((input[0] ?? 0) % 7);
    const pieces: Buffer[] = [];
    for (let at = 0; at < input.length; at += size) pieces.push(Buffer.from(input.subarray(at, at + size)));
    assert.deepEqual(readAll(pieces), whole);
  },
};
