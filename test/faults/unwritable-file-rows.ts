// What the process with the unwritable file commits, one row after the other.

import type { Entry } from '../../src/storage/engine.ts';
import { encodeTuple } from '../../src/storage/tuple.ts';

export const rowOf = (index: number): Entry => ({
  key: encodeTuple(['row', index]),
  value: Buffer.alloc(4000, `${index};`),
});
