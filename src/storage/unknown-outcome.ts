// A commit of which nobody can say whether it was applied: the database went away after it was sent and did not come back
// within the limit, or the standby that must have it did not say so. Neither "committed" nor "nothing happened" is true.
//
// Invariant: an engine rejects with this only after it has tried to find out, and with any other error only when nothing of
// the batch was applied and nothing of it ever will be. The account host reads the account again before it goes on.

import { Fault } from '../base/fault.ts';

export class UnknownOutcomeFault extends Fault {
  readonly outcomeUnknown = true;

  constructor(message: string, cause?: unknown) {
    super(message, { temporary: true, cause });
    this.name = 'UnknownOutcomeFault';
  }
}
