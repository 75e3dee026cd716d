// Argon2id hashes of passwords (RFC 9106), written as PHC strings: $argon2id$v=19$m=…,t=…,p=…$salt$hash.
// Hashing runs on the thread pool; HashGate bounds how many run and wait, so that a flood of logins neither takes all
// memory nor starves the pool's other users (file system, DNS). A full queue refuses with 'unavailable'.

import { argon2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Random } from '../base/random.ts';
import { MailError } from '../mail/mail-error.ts';

export interface PasswordHashParameters {
  readonly memoryKiB: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** OWASP's recommendation for Argon2id; about 25 ms of one core. */
export const passwordHashDefault: PasswordHashParameters = { memoryKiB: 19_456, passes: 2, parallelism: 1 };

const saltBytes = 16;
const hashBytes = 32;
/** A stored hash asking for more was not written by us: 1 GiB and 64 passes would stop the server. */
const memoryKiBMax = 1_048_576;
const passesMax = 64;
/** Of the pool's four threads; the others stay free for the store. */
const runningMax = 2;
/** Waiting ones: 25 s of work. Who comes later than that would have given up anyway. */
const waitingMax = 2_000;

const argon2Async = promisify(argon2);

interface ParsedHash {
  readonly parameters: PasswordHashParameters;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

export class PasswordHasher {
  readonly parameters: PasswordHashParameters;
  readonly #random: Random;
  readonly #gate = new HashGate(runningMax, waitingMax);
  /** What passwords of unknown users are compared with: the same work, never a match. */
  readonly #dummy: string;

  constructor(parameters: PasswordHashParameters, random: Random) {
    this.parameters = parameters;
    this.#random = random;
    this.#dummy = formatHash({ parameters, salt: random.bytes(saltBytes), hash: random.bytes(hashBytes) });
  }

  /** `password` is prepared (OpaqueString). */
  async hash(password: string): Promise<string> {
    const salt = this.#random.bytes(saltBytes);
    const hash = await this.#gate.run(() => compute(password, salt, this.parameters));
    return formatHash({ parameters: this.parameters, salt, hash });
  }

  /**
   * Whether `password` is the one of `stored`; without `stored` the same work for nothing, and false.
   * `beforeRun` is called when its turn has come, and may refuse by throwing: the wait may have been long.
   */
  async verify(password: string, stored: string | undefined, beforeRun: () => void): Promise<boolean> {
    const parsed = parseHash(stored ?? this.#dummy);
    if (parsed === undefined) return false;
    const hash = await this.#gate.run(() => {
      beforeRun();
      return compute(password, parsed.salt, parsed.parameters);
    });
    return timingSafeEqual(hash, parsed.hash) && stored !== undefined;
  }

  /** True when the hash was made with other parameters than are wanted now. */
  isOutdated(stored: string): boolean {
    const used = parseHash(stored)?.parameters;
    const { memoryKiB, passes, parallelism } = this.parameters;
    return used?.memoryKiB !== memoryKiB || used.passes !== passes || used.parallelism !== parallelism;
  }
}

function compute(password: string, salt: Buffer, parameters: PasswordHashParameters): Promise<Buffer> {
  return argon2Async('argon2id', {
    message: Buffer.from(password),
    nonce: salt,
    parallelism: parameters.parallelism,
    tagLength: hashBytes,
    memory: parameters.memoryKiB,
    passes: parameters.passes,
  });
}

const phc =
  /^\$argon2id\$v=19\$m=(\d{1,9}),t=(\d{1,4}),p=(\d{1,3})\$([A-Za-z0-9+/]{22,86})\$([A-Za-z0-9+/]{43})$/;

function parseHash(text: string): ParsedHash | undefined {
  const match = phc.exec(text);
  if (match === null) return undefined;
  const parameters = { memoryKiB: Number(match[1]), passes: Number(match[2]), parallelism: Number(match[3]) };
  if (parameters.memoryKiB > memoryKiBMax || parameters.passes > passesMax) return undefined;
  return { parameters, salt: Buffer.from(match[4]!, 'base64'), hash: Buffer.from(match[5]!, 'base64') };
}

function formatHash({ parameters, salt, hash }: ParsedHash): string {
  const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');
  const { memoryKiB, passes, parallelism } = parameters;
  return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=${parallelism}$${unpadded(salt)}$${unpadded(hash)}`;
}

/** Runs a bounded number of jobs at a time; others wait in line, up to a limit. */
export class HashGate {
  readonly #runningMax: number;
  readonly #waitingMax: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(running: number, waiting: number) {
    this.#runningMax = running;
    this.#waitingMax = waiting;
  }

  async run<Value>(job: () => Promise<Value>): Promise<Value> {
    if (this.#running < this.#runningMax) this.#running++;
    else await this.#turn();
    try {
      return await job();
    } finally {
      // The place is handed on, so that nobody who comes now overtakes those who wait.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.length >= this.#waitingMax) {
      throw new MailError('unavailable', 'too many logins at once; try again later');
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }
}
