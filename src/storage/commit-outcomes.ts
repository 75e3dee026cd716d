// How batches of the embedded engine end, as numbers: from the writer thread to whoever asked for the commit, also in another
// process.

import { MailError } from '../mail/mail-error.ts';
import type { CommitResult } from './engine.ts';
import type { PendingCommit } from './group-commit.ts';

/** From 0 up it is the index of the condition that failed. */
export const outcomeCodes = { committed: -1, fenced: -2, noRoom: -3 } as const;

/** One for all, as nobody changes it. */
const committed: CommitResult = { outcome: 'committed' };

/** Answers whoever waits for the commit. */
export function settleCommit({ resolve, reject }: PendingCommit, outcome: number): void {
  if (outcome === outcomeCodes.committed) resolve(committed);
  else if (outcome === outcomeCodes.fenced) resolve({ outcome: 'fenced' });
  else if (outcome === outcomeCodes.noRoom)
    reject(new MailError('storageFull', 'the disk of the store is full'));
  else resolve({ outcome: 'conflict', condition: outcome });
}
