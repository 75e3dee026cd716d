// The annotations of one mailbox, or of the account as a whole, in one row (RFC 5464): few and small, read and written
// together. Names are in lower case: they are the same in any (RFC 5464 3.2).
// Damage: decode throws RecordDamaged, store check sets the row aside.

import type { AccountId } from '../../mail/ids.ts';
import { decodeJsonRecord, encodeJsonRecord } from '../../storage/record.ts';
import type { Annotation } from '../port.ts';

const version = 1;

/** Of one value: RFC 5464 4.1 wants 1,024 at least. */
export const annotationBytesMax = 16 * 1024;
/** Of one mailbox: RFC 5464 4.1 wants 10 at least. */
export const annotationsMax = 100;
/** All values of one mailbox: the row is read and written whole. */
export const annotationsBytesMax = 128 * 1024;

/**
 * RFC 5464 3.1: what is /private/ is each user's own. What somebody else than the owner keeps with a mailbox of his stands
 * under this; no client can name it.
 */
export function privateNameOf(actor: AccountId): string {
  return `/private:${actor}/`;
}

export function isSomebodyElses(name: string): boolean {
  return name.startsWith('/private:');
}

export function encodeAnnotations(annotations: readonly Annotation[]): Buffer {
  const entries = annotations.map(({ name, value }) => [name, Buffer.from(value).toString('base64')]);
  return encodeJsonRecord('annotations', version, entries);
}

/** Undefined is the row that is not there. Throws RecordDamaged. */
export function decodeAnnotations(value: Uint8Array | undefined): Annotation[] {
  if (value === undefined) return [];
  const entries = decodeJsonRecord<[string, string][]>('annotations', version, value);
  return entries.map(([name, text]) => ({ name, value: Buffer.from(text, 'base64') }));
}
