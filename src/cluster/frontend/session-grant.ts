// A session grant: what a node of the outer zone shows to act for one account. The node that verified the user's secret
// makes it; whoever hosts the account checks it. Pure: claims, and their MAC (HMAC-SHA-256) under a key that only
// nodes with the engine have.
// Invariant: nothing of a grant is read before its MAC was found right. What is not a grant of ours is undefined.

import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Service } from '../../directory/directory.ts';
import type { AccountId, NodeId } from '../../mail/ids.ts';

export interface GrantClaims {
  /** Of the login: stays over renewals; for logs. */
  readonly id: string;
  readonly account: AccountId;
  /** The node it was given to: nobody else may show it. */
  readonly peer: NodeId;
  readonly service: Service;
  /** The directory's sessionEpoch when it was given. */
  readonly epoch: string;
  /** Wall clock, milliseconds. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** Renewals end here. */
  readonly sessionEndsAt: number;
}

const macBytes = 32;
/** Grants of a later form begin with another text, and their MAC covers it. */
const form = 'rookery-grant-1\0';

export function sealGrant(claims: GrantClaims, key: Uint8Array): Uint8Array {
  const text = Buffer.from(JSON.stringify(claims));
  return Buffer.concat([macOf(text, key), text]);
}

/** `keys`: those that are accepted now. */
export function openGrant(grant: Uint8Array, keys: readonly Uint8Array[]): GrantClaims | undefined {
  if (grant.length <= macBytes) return undefined;
  const mac = grant.subarray(0, macBytes);
  const text = grant.subarray(macBytes);
  if (!keys.some((key) => timingSafeEqual(macOf(text, key), mac))) return undefined;
  // Ours: the shape is what sealGrant was given.
  return JSON.parse(Buffer.from(text.buffer, text.byteOffset, text.length).toString('utf8')) as GrantClaims;
}

function macOf(text: Uint8Array, key: Uint8Array): Buffer {
  return createHmac('sha256', key).update(form).update(text).digest();
}
