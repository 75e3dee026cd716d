// What the LMDB engine and its writer thread say to each other. Both are always of one version.

/** In a reply, one number for each batch of the group; from 0 up it is the index of the condition that failed. */
export const outcomeCodes = { committed: -1, fenced: -2, noRoom: -3 } as const;

export interface WriterFailure {
  /** The disk or a quota is full; otherwise it is an input/output error. */
  readonly noRoom: boolean;
  readonly message: string;
}

/** `group`: an ArrayBuffer of packGroup's. `close`: finish and end the thread. */
export type WriterRequest = { readonly group: ArrayBuffer } | { readonly close: true };

/** Answers one group; the first reply of all, with no outcomes, says that the thread is ready. */
export interface WriterReply {
  readonly outcomes: readonly number[];
  /** The whole group failed and the thread ends. */
  readonly failure?: WriterFailure;
}
