// The nodes with the engine, as a node of the outer zone knows them: asks any of them, one after another, and another when
// one is lost or cannot answer. Their places are kept in the data directory, so that it finds them again after a restart.
// Invariant: a refusal is the cluster's answer and ends the asking; a failure is one node's and does not.
// Fails with the last node's failure (temporary) when none answers in time.

import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import type { NodeId } from '../../mail/ids.ts';
import { isMailError } from '../../mail/mail-error.ts';
import type { NodePlace } from '../authority/join-protocol.ts';
import type { LinkPool } from '../links/link-pool.ts';
import type { LinkRequest } from '../links/link-request.ts';

export interface InnerNodesOptions {
  readonly pool: Pick<LinkPool, 'call'>;
  readonly places: readonly NodePlace[];
  /** Keeps them for the next start. */
  readonly keep: (places: readonly NodePlace[]) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

export type InnerRequest = Omit<LinkRequest, 'grant' | 'answerBytes'> & { readonly grant?: Uint8Array };

/** A client waits for it: longer than the death of a node is noticed, shorter than clients' patience. */
const patienceMsDefault = 15_000;
/** Of one node, which may be slow with a password. */
const answerMsMax = 10_000;
/** Between two rounds through all of them. */
const pauseMs = 100;

export class InnerNodes {
  readonly #options: InnerNodesOptions;
  #places: readonly NodePlace[];
  #next = 0;

  constructor(options: InnerNodesOptions) {
    this.#options = options;
    this.#places = options.places;
  }

  get places(): readonly NodePlace[] {
    return this.#places;
  }

  /** What the cluster says now; an empty list is no news: whoever says it is going down. */
  learn(places: readonly NodePlace[]): void {
    if (places.length === 0 || JSON.stringify(places) === JSON.stringify(this.#places)) return;
    this.#places = places;
    this.#options.keep(places).catch((error: unknown) => {
      this.#options.log.warn({ err: error }, 'the places of the inner nodes could not be kept');
    });
  }

  /** `answerMs`: after it a node that has not answered is left for the next one. */
  async ask(
    request: InnerRequest,
    patienceMs: number = patienceMsDefault,
    answerMs: number = answerMsMax,
  ): Promise<unknown> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + patienceMs;
    let failure: unknown = new Fault('this node knows no node of the cluster', { temporary: true });
    for (;;) {
      const first = this.#next++;
      const places = this.#places;
      for (let index = 0; index < places.length; index++) {
        const leftMs = deadline - clock.monotonic();
        if (leftMs <= 0) break;
        try {
          const place = places[(first + index) % places.length]!;
          return await this.#askOne(place, request, Math.min(leftMs, answerMs));
        } catch (error) {
          if (!isOneNodesFailure(error)) throw error;
          failure = error;
        }
      }
      if (clock.monotonic() + pauseMs >= deadline) throw failure;
      await clock.sleep(pauseMs);
    }
  }

  #askOne({ node, host, port }: NodePlace, request: InnerRequest, timeoutMs: number): Promise<unknown> {
    const place = { node: node as NodeId, address: { host, port } };
    return this.#options.pool.call(place, { ...request, grant: request.grant }, { timeoutMs });
  }
}

function isOneNodesFailure(error: unknown): boolean {
  if (error instanceof Fault) return error.temporary;
  // A node of an older version does not know what another one does.
  return isMailError(error, 'unavailable') || isMailError(error, 'notSupported');
}
