// How much address space there is to map. A process may be held to less than the machine has (`ulimit -v`, systemd's
// LimitAS): lmdb-js crashes when its map does not fit, so that is asked before.

import { readFileSync } from 'node:fs';

export interface AddressSpace {
  /** Infinity: no limit, or nobody knows. */
  readonly bytesMax: number;
  readonly bytesUsed: number;
}

export function parseAddressSpace(limits: string, status: string): AddressSpace {
  const max = /^Max address space\s+(\d+)\s/m.exec(limits)?.[1];
  const used = /^VmSize:\s+(\d+) kB/m.exec(status)?.[1];
  return {
    bytesMax: max === undefined ? Number.POSITIVE_INFINITY : Number(max),
    bytesUsed: used === undefined ? 0 : Number(used) * 1024,
  };
}

/** Of this process. */
export function addressSpace(): AddressSpace {
  try {
    return parseAddressSpace(
      readFileSync('/proc/self/limits', 'latin1'),
      readFileSync('/proc/self/status', 'latin1'),
    );
  } catch {
    // Not Linux: no limit that we know of.
    return { bytesMax: Number.POSITIVE_INFINITY, bytesUsed: 0 };
  }
}
