// A session that is closed leaves nothing open, whatever the server does.

import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { Duplex } from 'node:stream';
import { it } from 'node:test';
import type { Client } from 'pg';
import { systemClock } from '../base/clock.ts';
import { PostgresSession } from './postgres-session.ts';

it('does not wait for a frozen server to close its end', { timeout: 60_000 }, async () => {
  const sent: Buffer[] = [];
  const stream = new Duplex({
    read: () => {},
    write: (piece: Buffer, _encoding, done) => {
      sent.push(piece);
      done();
    },
  });
  const client = Object.assign(new EventEmitter(), { connection: { stream } });
  const session = new PostgresSession({
    client: client as unknown as Client,
    address: 'nowhere',
    server: 'none',
    clock: systemClock,
    answerTimeoutMs: 60_000,
  });
  const closed = once(stream, 'close');
  await session.close();
  await closed;
  assert.deepEqual(Buffer.concat(sent), Buffer.from([0x58, 0, 0, 0, 4]));
});
