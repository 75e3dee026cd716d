// What the fuzzer and its worker threads say to each other.

export interface FuzzOrder {
  readonly targetPath: string;
  /** Files of earlier findings, replayed first. */
  readonly corpus: readonly string[];
  readonly seed: number;
  /** `headerBytes` of 32-bit numbers, then the input that is running. */
  readonly shared: SharedArrayBuffer;
}

/** Places in the shared header. */
export const header = {
  /** Rises with every run: when it stands still, the target hangs. */
  sequence: 0,
  /** Of the input that is running. */
  length: 1,
  /** Set to 1 when the time is up. */
  stop: 2,
} as const;

export const headerBytes = 16;

export type FuzzReport =
  | { readonly kind: 'ready' }
  /** Sent as found, and once more with the same key when minimised. */
  | { readonly kind: 'finding'; readonly key: string; readonly detail: string; readonly input: Uint8Array }
  | { readonly kind: 'done'; readonly runs: number; readonly slowestMs: number };
