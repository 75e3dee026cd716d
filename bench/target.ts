// What a benchmark needs to know of a server: where it speaks, who may log in, whose memory to read.

export interface BenchTarget {
  readonly name: string;
  readonly ports: {
    readonly lmtp: number;
    readonly smtp: number | undefined;
    readonly imap: number;
    /** With TLS from the first byte. */
    readonly imaps: number | undefined;
    readonly pop3: number | undefined;
  };
  /** Local parts at `domain`; all have `password`. */
  readonly domain: string;
  readonly password: string;
  /** The processes whose memory counts. */
  processes(): ServerProcesses;
  /** Where a delivery is far from the client that waits for it; undefined: there is only one place. */
  readonly apart?: () => Promise<Apart | undefined>;
  /** Ends the server and starts it again with the data it has. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** By process id. */
export interface ServerProcesses {
  /** Of the server that clients connect to. */
  readonly front: readonly number[];
  /** Of those that it works with: a frontend's backends, the other nodes. Databases are not among them. */
  readonly behind: readonly number[];
}

/** Clients stay at the target's own ports, as in every workload. */
export interface Apart {
  /** Hosted by another node than the one that clients connect to. */
  readonly user: string;
  /** Of another node than the one that clients connect to; of a third one when there are three. */
  readonly lmtp: number;
}

/** Whether the target of that name is Rookery and not a peer. */
export function isOurs(target: string): boolean {
  return target.startsWith('rookery');
}

/** What is passed to the generator's process: a target without its methods. */
export type TargetPlace = Pick<BenchTarget, 'name' | 'ports' | 'domain' | 'password'>;

export const domain = 'bench.test';
export const password = 'bench-password-1';

/** Whose mailboxes are searched for the first time. */
export const searchedUsers: readonly string[] = Array.from({ length: 5 }, (_, index) => `searched${index}`);
/** Users for work on many accounts; those and `fetch`, `search`, `store`, `select`, `small`, `large`, `heavy`, `drain` are for one workload each. */
export const userCount = 20;
export const users: readonly string[] = [
  ...Array.from({ length: userCount }, (_, index) => `user${index}`),
  'fetch',
  'search',
  ...searchedUsers,
  'store',
  'select',
  'small',
  'large',
  'heavy',
  'drain',
];
/** Accounts of the idle workloads. */
export const idleUserCount = 500;
export const idleUsers: readonly string[] = Array.from(
  { length: idleUserCount },
  (_, index) => `idle${index}`,
);
