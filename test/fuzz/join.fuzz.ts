// Fuzzes what strangers send while nodes join: a frame is read whole or refused, and a token that parses is written
// the same way.

import assert from 'node:assert/strict';
import {
  decodeFrame,
  encodeFrame,
  frameBytesMax,
  requestSchema,
} from '../../src/cluster/authority/join-protocol.ts';
import { formatJoinToken, parseJoinToken } from '../../src/cluster/authority/join-token.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const token = formatJoinToken({
  cluster: 'abcdefghijklmnop',
  fingerprint: Buffer.alloc(32, 7),
  id: 'abcdefghij',
  secret: 'abcdefghijklmnopqrstuvwxyz234567',
});

export const target: FuzzTarget = {
  name: 'join',
  seeds: () => [
    Buffer.from(token),
    encodeFrame({ type: 'join', version: 1, token: 'a', secret: 'b', node: 'c', request: 'd' }),
    encodeFrame({ type: 'renew', version: 1, request: 'd' }),
    Buffer.from([0xff, 0xff, 0xff, 0xff, 0x7b]),
  ],
  run(input) {
    const bytes = Buffer.from(input);
    const parsed = parseJoinToken(bytes.toString('latin1'));
    if (parsed !== undefined) assert.equal(formatJoinToken(parsed), bytes.toString('latin1').trim());
    const frame = decodeFrame(bytes);
    if (frame.outcome === 'incomplete') assert.ok(bytes.length < 4 + frameBytesMax);
    if (frame.outcome !== 'frame') return;
    assert.ok(frame.length <= bytes.length);
    const request = requestSchema.safeParse(frame.value);
    if (request.success)
      assert.deepEqual(decodeFrame(encodeFrame(request.data)), {
        outcome: 'frame',
        value: request.data,
        length: encodeFrame(request.data).length,
      });
  },
};
