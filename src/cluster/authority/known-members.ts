// Whose links are taken while the store cannot be asked: nodes of which it said lately that their names are theirs. So links
// that break while a database fails over are made again before it is back, and their sessions go on with it.
// Invariants: the store's answer counts whenever there is one; what is known ends five minutes after the store last told it;
// a node that is known to be removed, or whose name is known to be another's, is never let in by what was known before. A name
// that was forgotten is nobody's: only who is removed may still come with it, to hear that.
// Fails as the store does, of nodes that are not known.

import type { Clock, Timer } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import type { NodeId } from '../../mail/ids.ts';
import type { Engine } from '../../storage/engine.ts';
import { clusterTopic } from '../membership/cluster-rows.ts';
import type { ClusterAuthority, NameOwner, PresentCertificate } from './cluster-authority.ts';

export interface KnownMembersOptions {
  readonly authority: Pick<ClusterAuthority, 'ownerOf' | 'enrolledNodes'>;
  readonly engine: Pick<Engine, 'subscribe'>;
  /** As this node knows the rows of the cluster. */
  readonly isRemoved: (node: NodeId) => boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A failover takes seconds; a database that is away for longer is a failure, and who may be a member may change in it. */
export const knownForMs = 5 * 60_000;
/** How often all nodes are read, so that what is known is told again. */
const rereadMs = 60_000;
/** After news of the cluster, which may be a node that joined: so soon at the earliest, for news come in crowds. */
export const newsReadMs = 5_000;
/** A link is to be greeted within five seconds, and the engine waits far longer for a database that is away. */
const answerMsMax = 1_000;

export class KnownMembers implements Disposable {
  readonly #options: KnownMembersOptions;
  /** Node and key → when the store told that they belong together (monotonic). */
  #known = new Map<string, number>();
  /** Node and key of which it told that they do not, since it was last asked about all → when. */
  readonly #replaced = new Map<string, number>();
  readonly #unsubscribe: () => void;
  #timer: Timer | undefined;
  #isNewsAwaited = false;
  #isClosed = false;

  constructor(options: KnownMembersOptions) {
    this.#options = options;
    this.#unsubscribe = options.engine.subscribe(clusterTopic, () => this.#heardNews());
    void this.#readAll();
  }

  /** Whether the machine that shows the certificate has lost its name since. */
  async isReplaced(present: PresentCertificate): Promise<boolean> {
    const { clock } = this.#options;
    const key = keyOf(present.node, present.publicKeyDigest);
    try {
      const owner = await this.#ask(present);
      if (owner === 'nobody' && this.#options.isRemoved(present.node)) return false;
      const isReplaced = owner !== 'itself';
      if (isReplaced) {
        this.#known.delete(key);
        this.#replaced.set(key, clock.monotonic());
      } else {
        this.#known.set(key, clock.monotonic());
        this.#replaced.delete(key);
      }
      return isReplaced;
    } catch (error) {
      if (this.#replaced.has(key)) return true;
      const toldAt = this.#known.get(key) ?? Number.NEGATIVE_INFINITY;
      if (clock.monotonic() - toldAt > knownForMs || this.#options.isRemoved(present.node)) throw error;
      return false;
    }
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#unsubscribe();
    this.#timer?.cancel();
  }

  async #ask(present: PresentCertificate): Promise<NameOwner> {
    const { authority, clock } = this.#options;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = clock.after(answerMsMax, () => {
      reject(new Fault('the store does not say in time whose name it is', { temporary: true }));
    });
    try {
      return await Promise.race([authority.ownerOf(present), late]);
    } finally {
      timer.cancel();
    }
  }

  /** Never rejects. */
  async #readAll(): Promise<void> {
    const { authority, clock, log } = this.#options;
    try {
      const askedAt = clock.monotonic();
      const nodes = await authority.enrolledNodes();
      const known = new Map<string, number>();
      for (const { node, keyDigest, previousKeyDigest } of nodes) {
        known.set(keyOf(node, keyDigest), askedAt);
        if (previousKeyDigest !== undefined) known.set(keyOf(node, previousKeyDigest), askedAt);
      }
      for (const [key, toldAt] of this.#replaced) {
        // What was told of one since is news.
        if (toldAt >= askedAt) known.delete(key);
        else if (known.has(key)) this.#replaced.delete(key);
      }
      this.#known = known;
    } catch (error) {
      log.debug({ err: error }, 'who is enrolled cannot be read now');
    }
    if (!this.#isNewsAwaited) this.#readAfter(rereadMs);
  }

  #heardNews(): void {
    if (this.#isNewsAwaited) return;
    this.#isNewsAwaited = true;
    this.#readAfter(newsReadMs);
  }

  #readAfter(delayMs: number): void {
    if (this.#isClosed) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#isNewsAwaited = false;
      void this.#readAll();
    });
  }
}

function keyOf(node: NodeId, publicKeyDigest: string): string {
  return `${node} ${publicKeyDigest}`;
}
