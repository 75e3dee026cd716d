// One moment of the store, held until it is released or has lived too long. A snapshot that was ended answers every read
// with a Fault; a caller that walks everything takes a new one for each stretch.

import type { Clock, Timer } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import type { Bytes, Page, PageLimits, Range, Snapshot } from '../engine.ts';
import { type LmdbMoment, readPage, readValue, readValues } from './lmdb-reads.ts';

export interface LmdbSnapshotOptions {
  /** Its transaction is used (`use()`) by the snapshot, which gives it back. */
  readonly moment: LmdbMoment;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ageMsMax: number;
  /** Told once, when the snapshot ends, however it does. */
  readonly ended: (snapshot: LmdbSnapshot) => void;
}

export class LmdbSnapshot implements Snapshot {
  readonly #options: LmdbSnapshotOptions;
  readonly #timer: Timer;
  #moment: LmdbMoment | undefined;
  #reason = 'the snapshot is released';

  constructor(options: LmdbSnapshotOptions) {
    this.#options = options;
    this.#moment = options.moment;
    this.#timer = options.clock.after(options.ageMsMax, () => {
      options.log.warn({ ageMsMax: options.ageMsMax }, 'ended a snapshot that lived too long');
      this.end('the snapshot lived too long');
    });
  }

  async get(key: Bytes): Promise<Bytes | undefined> {
    return readValue(this.#held(), key);
  }

  getMany(keys: readonly Bytes[]): Promise<(Bytes | undefined)[]> {
    return readValues(keys, { clock: this.#options.clock, moment: () => this.#held() });
  }

  async page(range: Range, limits: PageLimits): Promise<Page> {
    return readPage(this.#held(), range, limits);
  }

  async release(): Promise<void> {
    this.end('the snapshot is released');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  /** Ends it now; later reads reject with a Fault of this reason. Twice is fine. */
  end(reason: string): void {
    if (this.#moment === undefined) return;
    this.#timer.cancel();
    this.#reason = reason;
    this.#moment.options.transaction.done();
    this.#moment = undefined;
    this.#options.ended(this);
  }

  #held(): LmdbMoment {
    if (this.#moment === undefined) throw new Fault(this.#reason, { temporary: true });
    return this.#moment;
  }
}
