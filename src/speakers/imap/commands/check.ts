// CHECK (RFC 3501 6.4.1): everything is durable already, so it is a NOOP.

import { ok, type Reply } from '../reply.ts';

const done = ok('Check completed');

export function check(): Reply {
  return done;
}
