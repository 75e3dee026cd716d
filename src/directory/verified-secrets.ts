// What was verified lately, so that a login repeated every minute by a mail program costs microseconds instead of an
// Argon2 run. Kept are digests under a random key of this process, never passwords; the digest covers the account and
// the version of its secrets, so changing a password or an app password makes every entry worthless at once.
// Wrong passwords are remembered too: a program that repeats one is neither hashed nor counted again.

import { createHmac } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';

/** Of either kind; about 200 bytes each. */
const entriesMax = 20_000;

export class VerifiedSecrets {
  readonly #clock: Clock;
  readonly #key: Buffer;
  #ageMaxMs: number;
  /** Digest → when it is forgotten. Two tables, so that a flood of wrong passwords does not displace right ones. */
  readonly #right = new Map<string, number>();
  readonly #wrong = new Map<string, number>();
  readonly #running = new Map<string, Promise<boolean>>();

  constructor(clock: Clock, random: Random, ageMaxMs: number) {
    this.#clock = clock;
    this.#key = random.bytes(32);
    this.#ageMaxMs = ageMaxMs;
  }

  /** What is remembered for longer is forgotten at once. */
  setAgeMax(ageMaxMs: number): void {
    if (ageMaxMs < this.#ageMaxMs) {
      this.#right.clear();
      this.#wrong.clear();
    }
    this.#ageMaxMs = ageMaxMs;
  }

  /** Names (subject, version, password) without telling them. */
  digest(subject: string, version: string, password: string): string {
    return createHmac('sha256', this.#key).update(`${subject}\0${version}\0${password}`).digest('latin1');
  }

  /** What is remembered of `digest`. */
  recall(digest: string): boolean | undefined {
    const now = this.#clock.monotonic();
    if ((this.#right.get(digest) ?? 0) > now) return true;
    return (this.#wrong.get(digest) ?? 0) > now ? false : undefined;
  }

  /** Runs `verify`, or joins the run that is under way for the same digest; `joined` tells which. */
  async verify(
    digest: string,
    verify: () => Promise<boolean>,
  ): Promise<{ isRight: boolean; joined: boolean }> {
    const running = this.#running.get(digest);
    if (running !== undefined) return { isRight: await running, joined: true };
    const run = verify();
    this.#running.set(digest, run);
    try {
      const isRight = await run;
      this.#remember(digest, isRight);
      return { isRight, joined: false };
    } finally {
      this.#running.delete(digest);
    }
  }

  #remember(digest: string, isRight: boolean): void {
    if (this.#ageMaxMs === 0) return;
    const known = isRight ? this.#right : this.#wrong;
    known.delete(digest);
    if (known.size >= entriesMax) {
      const oldest = known.keys().next().value;
      if (oldest !== undefined) known.delete(oldest);
    }
    known.set(digest, this.#clock.monotonic() + this.#ageMaxMs);
  }
}
