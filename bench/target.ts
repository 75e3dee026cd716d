// What a benchmark needs to know of a server: where it speaks, who may log in, whose memory to read.

export interface BenchTarget {
  readonly name: string;
  readonly ports: {
    readonly lmtp: number;
    readonly smtp: number | undefined;
    readonly imap: number;
    readonly pop3: number;
  };
  /** Local parts at `domain`; all have `password`. */
  readonly domain: string;
  readonly password: string;
  /** The processes whose resident memory counts. */
  pids(): Promise<number[]>;
  /** Ends the server and starts it again with the data it has. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** What is passed to the generator's process: a target without its methods. */
export type TargetPlace = Pick<BenchTarget, 'name' | 'ports' | 'domain' | 'password'>;

/** Users for work on many accounts; `fetch`, `search`, `store`, `select`, `large`, `drain-N` and `idle` users are for one workload each. */
export const userCount = 20;
export const users: readonly string[] = [
  ...Array.from({ length: userCount }, (_, index) => `user${index}`),
  'fetch',
  'search',
  'store',
  'select',
  'large',
  'heavy',
  ...Array.from({ length: 10 }, (_, index) => `drain${index}`),
];
/** Accounts of the idle workload. */
export const idleUserCount = 500;
export const idleUsers: readonly string[] = Array.from(
  { length: idleUserCount },
  (_, index) => `idle${index}`,
);
