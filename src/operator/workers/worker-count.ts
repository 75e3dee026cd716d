// How many processes serve: what `workers` says, and what "auto" means for this configuration on this machine.

import { availableParallelism, totalmem } from 'node:os';
import { loadCredentials } from '../../cluster/authority/credential-files.ts';
import { type Config, workersMax } from '../../config/schema.ts';

/**
 * With so many cores one process is the quicker server: it uses 1.2 of them, and what several processes do for one message
 * costs two to three times the processor time (docs/notes/2026-11-22-workers.md).
 */
const coresOfOneProcess = 3;
/** What a busy worker takes beside the limits that workers share: heap, code, buffers. */
const workerMemoryBytes = 256 * 1024 * 1024;

/** What "auto" depends on. */
export interface Machine {
  /** That the process may use. */
  readonly cores: number;
  readonly memoryBytes: number;
}

export function thisMachine(): Machine {
  // 0, or more than there is: no limit.
  const limitBytes = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return { cores: availableParallelism(), memoryBytes: Math.min(totalmem(), limitBytes) };
}

/**
 * 1: the process serves by itself. "auto" is one worker for each core, but 1 where there are few cores, where the store is
 * not the embedded one, and on a node of a larger cluster, which is one process.
 */
export async function workerCount(config: Config, machine: Machine = thisMachine()): Promise<number> {
  const { workers, storage, data } = config;
  if (workers !== 'auto') return workers;
  if (storage.engine !== 'lmdb' || machine.cores <= coresOfOneProcess) return 1;
  if ((await loadCredentials(data)) !== undefined) return 1;
  const thatFit = Math.floor(machine.memoryBytes / workerMemoryBytes);
  return Math.max(1, Math.min(machine.cores, thatFit, workersMax));
}
