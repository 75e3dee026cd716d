// Idempotency keys on writes: a client that does not know whether its request arrived sends it again with the same
// `Idempotency-Key`, and gets the first answer, not a second effect.
// Invariant: for one (token, key) at most one request is under way and at most one answer is kept, for a day, in the engine.
// A server that dies between the effect and keeping the answer lets a retry through: it then meets the effect itself
// (an address that exists: conflict), which is as far as this can go without putting both in one batch.

import { createHash } from 'node:crypto';
import type { Clock } from '../../../base/clock.ts';
import { MailError } from '../../../mail/mail-error.ts';
import type { Engine } from '../../../storage/engine.ts';
import { decodeRecord, encodeRecord } from '../../../storage/record.ts';
import { encodeTuple, tuplePrefixRange } from '../../../storage/tuple.ts';

/** How long an answer is kept. */
const keptMs = 24 * 3_600_000;
/** A larger answer is not kept (nothing the API answers to a write is near it). */
const answerBytesMax = 64 * 1024;

export interface KeptAnswer {
  readonly status: number;
  readonly body: string;
}

interface Stored extends KeptAnswer {
  readonly request: string;
  readonly at: number;
}

export class IdempotencyKeys {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #underWay = new Set<string>();

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  static digestOf(method: string, url: string, body: unknown): string {
    const hash = createHash('sha256').update(`${method} ${url}\n`);
    return hash.update(Buffer.isBuffer(body) ? body : JSON.stringify(body ?? null)).digest('base64');
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
      const stored = JSON.parse(decodeRecord('idempotency', 1, value).payload.toString()) as Stored;
      if (this.#clock.now() - stored.at > keptMs) return undefined;
      this.#underWay.delete(place);
      if (stored.request !== request)
        throw new MailError('invalidArgument', 'this Idempotency-Key was used for another request');
      return stored;
    } catch (error) {
      this.#underWay.delete(place);
      throw error;
    }
  }

  async finish(owner: string, key: string, answer: KeptAnswer & { readonly request: string }): Promise<void> {
    try {
      if (answer.body.length > answerBytesMax || answer.status >= 500) return;
      const stored: Stored = { ...answer, at: this.#clock.now() };
      const value = encodeRecord('idempotency', 1, Buffer.from(JSON.stringify(stored)));
      await this.#engine.commit({ puts: [{ key: encodeTuple(['idempotency', owner, key]), value }] });
    } finally {
      this.#underWay.delete(`${owner}\n${key}`);
    }
  }

  /** Forgets answers older than a day; called now and then. */
  async prune(): Promise<void> {
    const range = tuplePrefixRange(['idempotency']);
    const page = await this.#engine.page(range, { entriesMax: 10_000, bytesMax: 4 * 1024 * 1024 });
    const old = page.entries.filter((entry) => {
      const stored = JSON.parse(decodeRecord('idempotency', 1, entry.value).payload.toString()) as Stored;
      return this.#clock.now() - stored.at > keptMs;
    });
    if (old.length > 0) await this.#engine.commit({ deletes: old.map((entry) => entry.key) });
  }
}
