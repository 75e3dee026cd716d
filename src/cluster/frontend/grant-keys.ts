// The keys that grants are made with: one row in the engine, so that every node with the engine accepts what any of them
// made. The newest one makes, two are accepted.
// Invariant: a key is used only after it is durable; it is accepted for at least one rotation after it made its last grant.
// Fails with the engine's faults; the keys known go on being accepted meanwhile.

import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Random } from '../../base/random.ts';
import type { Bytes, Engine } from '../../storage/engine.ts';
import { decodeJsonRecord, encodeJsonRecord } from '../../storage/record.ts';
import { encodeTuple } from '../../storage/tuple.ts';

export interface GrantKeysOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
}

interface KeyRow {
  /** Newest first; base64. */
  readonly keys: readonly { readonly secret: string; readonly madeAt: number }[];
}

const rowKey = encodeTuple(['grants', 'keys']);
const recordVersion = 1;
const keyBytes = 32;
const acceptedMax = 2;
/** A key that leaked is worthless after two of these; grants live for minutes. */
export const rotationMs = 24 * 3_600_000;
/** Another node's new key is looked for when a MAC fits none, so often at the most: anybody can send nonsense. */
const lookAgainMs = 1_000;
/** Nodes that find the same key too old at the same time. */
const attemptsMax = 10;

export class GrantKeys {
  readonly #options: GrantKeysOptions;
  #row: KeyRow | undefined;
  #reading: Promise<void> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(options: GrantKeysOptions) {
    this.#options = options;
  }

  /** What grants are made with now. */
  async newest(): Promise<Uint8Array> {
    const { clock, engine, random } = this.#options;
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const known = this.#row?.keys[0];
      if (known !== undefined && clock.now() - known.madeAt < rotationMs) return bytesOf(known);
      const before = await engine.get(rowKey);
      this.#row = before === undefined ? undefined : decode(before);
      const present = this.#row?.keys[0];
      if (present !== undefined && clock.now() - present.madeAt < rotationMs) continue;
      const made = { secret: random.bytes(keyBytes).toString('base64'), madeAt: clock.now() };
      const row = { keys: [made, ...(this.#row?.keys ?? [])].slice(0, acceptedMax) };
      const result = await engine.commit({
        conditions: [{ key: rowKey, expected: before }],
        puts: [{ key: rowKey, value: encode(row) }],
      });
      if (result.outcome === 'committed') this.#row = row;
    }
    throw new Fault('no key for grants could be had: others keep changing it', { temporary: true });
  }

  /** All that are accepted, as far as they are known. */
  get accepted(): readonly Uint8Array[] {
    return (this.#row?.keys ?? []).map(bytesOf);
  }

  /** Looks for keys that other nodes made; not too often. */
  async refresh(): Promise<void> {
    const { clock } = this.#options;
    if (clock.monotonic() - this.#readAt < lookAgainMs) return this.#reading;
    this.#readAt = clock.monotonic();
    this.#reading = this.#read();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const bytes = await this.#options.engine.get(rowKey);
    if (bytes !== undefined) this.#row = decode(bytes);
  }
}

function encode(row: KeyRow): Buffer {
  return encodeJsonRecord('grantKeys', recordVersion, row);
}

function decode(bytes: Bytes): KeyRow {
  return decodeJsonRecord('grantKeys', recordVersion, bytes);
}

function bytesOf({ secret }: { readonly secret: string }): Uint8Array {
  return Buffer.from(secret, 'base64');
}
