// The server's part of a SCRAM nonce, for an exchange that another node holds with its client: random, and a MAC that says
// when it was made, for which node and for which user. So any node with the keys can check the end of an exchange that
// another one began, and what a frontend recorded cannot be played again later.

import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Random } from '../../base/random.ts';
import type { NodeId } from '../../mail/ids.ts';

/** A client computes for some milliseconds; a person may be asked for the password in between. */
export const scramNonceLifeMs = 60_000;

const randomBytes = 12;
const timeBytes = 6;
const macBytes = 16;
const form = 'rookery-scram-nonce-1';

export interface NonceOwner {
  readonly peer: NodeId;
  readonly user: string;
}

export function makeScramNonce(
  owner: NonceOwner,
  { key, now, random }: { readonly key: Uint8Array; readonly now: number; readonly random: Random },
): string {
  const head = Buffer.alloc(timeBytes + randomBytes);
  head.writeUIntBE(now, 0, timeBytes);
  head.set(random.bytes(randomBytes), timeBytes);
  return Buffer.concat([head, macOf(head, owner, key)]).toString('base64url');
}

/** Whether it was made for the owner, and lately. `now`: wall clock; nodes' clocks may differ by its life. */
export function isScramNonce(
  nonce: string,
  owner: NonceOwner,
  { keys, now }: { readonly keys: readonly Uint8Array[]; readonly now: number },
): boolean {
  const bytes = Buffer.from(nonce, 'base64url');
  if (bytes.length !== timeBytes + randomBytes + macBytes) return false;
  const head = bytes.subarray(0, timeBytes + randomBytes);
  const mac = bytes.subarray(head.length);
  if (!keys.some((key) => timingSafeEqual(macOf(head, owner, key), mac))) return false;
  // One text a nonce: base64 has several for the same bytes.
  if (bytes.toString('base64url') !== nonce) return false;
  return Math.abs(now - head.readUIntBE(0, timeBytes)) <= scramNonceLifeMs;
}

function macOf(head: Buffer, { peer, user }: NonceOwner, key: Uint8Array): Buffer {
  const hmac = createHmac('sha256', key).update(`${form}\0${peer}\0${user}\0`).update(head);
  return hmac.digest().subarray(0, macBytes);
}
