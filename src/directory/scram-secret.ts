// SCRAM-SHA-256 verifiers as they are stored (RFC 5803's form): SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey,
// and the invented ones that unknown users get: the same for the same name as long as the store lives, so that asking
// twice tells nothing (RFC 5802 section 9).

import { createHmac } from 'node:crypto';
import type { Random } from '../base/random.ts';
import { saslPrep } from '../wire/sasl/prepare.ts';
import { makeScramVerifier } from '../wire/sasl/scram.ts';
import type { ScramVerifier } from './directory.ts';

const saltBytes = 16;

/** Undefined when SASLprep does not allow the password: it works with PLAIN only then. */
export async function makeScramSecret(
  password: string,
  random: Random,
  iterations: number,
): Promise<string | undefined> {
  const prepared = saslPrep(password);
  if (prepared === undefined) return undefined;
  const verifier = await makeScramVerifier(prepared, random.bytes(saltBytes), iterations);
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  return `SCRAM-SHA-256$${iterations}:${text(verifier.salt)}$${text(verifier.storedKey)}:${text(verifier.serverKey)}`;
}

const base64 = '([A-Za-z0-9+/]+={0,2})';
const stored = new RegExp(`^SCRAM-SHA-256\\$(\\d{1,9}):${base64}\\$${base64}:${base64}$`);

/** Undefined when `text` is not of this form. */
export function parseScramSecret(text: string): ScramVerifier | undefined {
  const match = stored.exec(text);
  if (match === null) return undefined;
  const bytes = (index: number): Buffer => Buffer.from(match[index]!, 'base64');
  return { iterations: Number(match[1]), salt: bytes(2), storedKey: bytes(3), serverKey: bytes(4) };
}

/** `storeSecret` is kept in the store and told to nobody. */
export function inventScramVerifier(
  storeSecret: Uint8Array,
  user: string,
  iterations: number,
): ScramVerifier {
  const derive = (purpose: string): Buffer =>
    createHmac('sha256', storeSecret).update(`scram-${purpose}\0`).update(user).digest();
  return {
    salt: derive('salt').subarray(0, saltBytes),
    iterations,
    storedKey: derive('stored-key'),
    serverKey: derive('server-key'),
  };
}
