// Bugs. A failed assertion ends the unit of work: in a speaker the session, in storage or account the node
// (STYLE 8): going on with a state that cannot be would write it to disk.

export class AssertionFailure extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'AssertionFailure';
  }
}

/** Throws AssertionFailure unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}
