// What a fuzz target is: a name, seeds to mutate, and a function that must return for any bytes. It throws
// only when an invariant broke. `npm run fuzz` finds all `*.fuzz.ts` beside this file and mutates their seeds.

export interface FuzzTarget {
  readonly name: string;
  /** Inputs worth mutating: real transcripts, corpus files. */
  seeds(): Uint8Array[];
  /** Runs one input; returns when all invariants held, throws when one broke. */
  run(input: Uint8Array): void | Promise<void>;
}
