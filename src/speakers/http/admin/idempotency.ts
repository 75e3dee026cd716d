// Idempotency keys on writes: a client that does not know whether its request arrived sends it again with the same
// `Idempotency-Key`, and gets the first answer, not a second effect.
// Secrets are not kept: an answer that holds one is remembered without it, and passwords in requests are left out of the
// digest, which would be a quick way to try guesses on.
// Invariant: for one (token, key) at most one request is under way and at most one answer is kept, for a day, in the engine.
// A server that dies between the effect and keeping the answer lets a retry through: it then meets the effect itself
// (an address that exists: conflict), which is as far as this can go without putting both in one batch.

import { createHash } from 'node:crypto';
import type { Clock } from '../../../base/clock.ts';
import { MailError } from '../../../mail/mail-error.ts';
import type { Bytes, Engine } from '../../../storage/engine.ts';
import { decodeJsonRecord, encodeJsonRecord, unlessDamaged } from '../../../storage/record.ts';
import { encodeTuple, tuplePrefixRange } from '../../../storage/tuple.ts';

/** How long an answer is kept. */
const keptMs = 24 * 3_600_000;
/** Old answers are looked for this often, when a new one is kept. */
const pruneIntervalMs = 3_600_000;
const pruneEntriesMax = 1_000;
/** A larger answer is not kept (nothing the API answers to a write is near it). */
const answerBytesMax = 64 * 1024;

const formatVersion = 1;

export interface KeptAnswer {
  readonly status: number;
  /** Undefined: it held a secret. */
  readonly body: string | undefined;
  /** Its Content-Type; undefined when it had no body. */
  readonly type: string | undefined;
}

interface Stored extends KeptAnswer {
  readonly request: string;
  readonly at: number;
}

export class IdempotencyKeys {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #underWay = new Set<string>();
  #pruneAtMs: number;

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
    this.#pruneAtMs = clock.monotonic();
  }

  static digestOf(method: string, url: string, body: unknown): string {
    const hash = createHash('sha256').update(`${method} ${url}\n`);
    return hash.update(Buffer.isBuffer(body) ? body : JSON.stringify(body ?? null, openly)).digest('base64');
  }

  /** The kept answer; undefined: go on, and call `finish`. Refuses: conflict while the first is under way, invalidArgument for another request. */
  async begin(owner: string, key: string, request: string): Promise<KeptAnswer | undefined> {
    const place = `${owner}\n${key}`;
    if (this.#underWay.has(place))
      throw new MailError('conflict', 'a request with this Idempotency-Key is under way');
    this.#underWay.add(place);
    try {
      const value = await this.#engine.get(encodeTuple(['idempotency', owner, key]));
      if (value === undefined) return undefined;
      const stored = decode(value);
      if (this.#clock.now() - stored.at > keptMs) return undefined;
      if (stored.request !== request)
        throw new MailError('invalidArgument', 'this Idempotency-Key was used for another request');
      this.#underWay.delete(place);
      return stored;
    } catch (error) {
      this.#underWay.delete(place);
      throw error;
    }
  }

  /** Goes on without keeping an answer: the next request with this key is carried out again. */
  abandon(owner: string, key: string): void {
    this.#underWay.delete(`${owner}\n${key}`);
  }

  async finish(owner: string, key: string, answer: KeptAnswer & { readonly request: string }): Promise<void> {
    try {
      // What may be different the next time is asked again.
      if (answer.status >= 500 || answer.status === tooManyRequests) return;
      if (answer.body !== undefined && answer.body.length > answerBytesMax) return;
      const stored: Stored = { ...answer, at: this.#clock.now() };
      const value = encodeJsonRecord('idempotency', formatVersion, stored);
      await this.#engine.commit({ puts: [{ key: encodeTuple(['idempotency', owner, key]), value }] });
      await this.#pruneNowAndThen();
    } finally {
      this.#underWay.delete(`${owner}\n${key}`);
    }
  }

  /** Forgets answers older than a day, and those that nobody can read: their requests would be refused for ever. */
  async #pruneNowAndThen(): Promise<void> {
    if (this.#clock.monotonic() < this.#pruneAtMs) return;
    this.#pruneAtMs = this.#clock.monotonic() + pruneIntervalMs;
    let range = tuplePrefixRange(['idempotency']);
    for (;;) {
      const page = await this.#engine.page(range, { entriesMax: pruneEntriesMax, bytesMax: 4 * 1024 * 1024 });
      const old = page.entries.filter(({ value }) => this.#isOld(value));
      if (old.length > 0) await this.#engine.commit({ deletes: old.map((entry) => entry.key) });
      if (page.next === undefined) return;
      range = { ...range, start: page.next };
    }
  }

  #isOld(value: Bytes): boolean {
    const stored = unlessDamaged(() => decode(value));
    return stored === undefined || this.#clock.now() - stored.at > keptMs;
  }
}

const tooManyRequests = 429;

function decode(value: Bytes): Stored {
  return decodeJsonRecord('idempotency', formatVersion, value);
}

function openly(name: string, value: unknown): unknown {
  return name === 'password' ? undefined : value;
}
