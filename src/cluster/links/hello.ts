// The first frame of each end: which versions of the link protocol it speaks, and how much it takes in before it gives
// credit. The caller speaks first; the called end picks the highest version that both have, so that nodes of versions N
// and N+1 work together. Unknown members are let be: a newer version may say more.
// Fails with LinkProtocolError that says why.

import { z } from 'zod';
import { LinkProtocolError } from './frame.ts';

/** The versions this program speaks. Raised when a frame or the meaning of one changes. */
export const linkVersions = { lowest: 1, highest: 1 } as const;

export interface LinkVersions {
  readonly lowest: number;
  readonly highest: number;
}

export interface Hello {
  readonly versions: LinkVersions;
  /** Bytes of large messages a stream may send, and the whole link, before credit comes. */
  readonly streamWindowBytes: number;
  readonly linkWindowBytes: number;
  /** Calls that may be under way at a time. */
  readonly callsMax: number;
}

const count = z
  .number()
  .int()
  .min(1)
  .max(2 ** 31);
const schema = z.object({
  protocol: z.literal('rookery-link'),
  versions: z.object({ lowest: count, highest: count }),
  streamWindowBytes: count,
  linkWindowBytes: count,
  callsMax: count,
});

export function encodeHello(hello: Hello): Buffer {
  return Buffer.from(JSON.stringify({ protocol: 'rookery-link', ...hello }), 'utf8');
}

export function parseHello(payload: Buffer): Hello {
  try {
    return schema.parse(JSON.parse(payload.toString('utf8')));
  } catch {
    throw new LinkProtocolError('a hello that is none');
  }
}

/** The highest version both speak; undefined: none. */
export function commonVersion(ours: LinkVersions, theirs: LinkVersions): number | undefined {
  const highest = Math.min(ours.highest, theirs.highest);
  return highest >= Math.max(ours.lowest, theirs.lowest) ? highest : undefined;
}

export function versionsText({ lowest, highest }: LinkVersions): string {
  return lowest === highest ? `version ${lowest}` : `versions ${lowest} to ${highest}`;
}
