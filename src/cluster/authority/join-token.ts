// A join token: what an operator carries from a node of the cluster to a new machine. It names the cluster and the
// fingerprint of its authority, so that the new node knows whom it talks to before it says anything, and holds a secret,
// of which the cluster keeps only a digest. Printable, without blanks and without '@' (`--join TOKEN@HOST`).

import { hash, timingSafeEqual } from 'node:crypto';

export interface JoinToken {
  readonly cluster: string;
  /** SHA-256 of the authority's certificate. */
  readonly fingerprint: Buffer;
  /** Names the row; no secret. */
  readonly id: string;
  readonly secret: string;
}

/** The number is the token's format. */
const prefix = 'rookery-join-1';
export const clusterIdLength = 16;
export const tokenIdLength = 10;
/** 160 bits. */
export const tokenSecretLength = 32;
const form = new RegExp(
  `^${prefix}\\.([a-z2-7]{${clusterIdLength}})\\.([A-Za-z0-9_-]{43})\\.([a-z2-7]{${tokenIdLength}})([a-z2-7]{${tokenSecretLength}})$`,
);

export function formatJoinToken(token: JoinToken): string {
  const { cluster, fingerprint, id, secret } = token;
  return `${prefix}.${cluster}.${fingerprint.toString('base64url')}.${id}${secret}`;
}

/** Undefined when it is no whole token of a format this version knows. */
export function parseJoinToken(text: string): JoinToken | undefined {
  const match = form.exec(text.trim());
  if (match === null) return undefined;
  const [, cluster, fingerprint, id, secret] = match as unknown as [string, string, string, string, string];
  const bytes = Buffer.from(fingerprint, 'base64url');
  // The last character holds two bits too many: only one spelling is right.
  if (bytes.toString('base64url') !== fingerprint) return undefined;
  return { cluster, fingerprint: bytes, id, secret };
}

/** SHA-256, base64: what the row keeps. */
export function secretDigest(secret: string): string {
  return hash('sha256', secret, 'base64');
}

export function isSecretOf(secret: string, digest: string): boolean {
  return timingSafeEqual(Buffer.from(secretDigest(secret), 'base64'), Buffer.from(digest, 'base64'));
}
