// The links of this node to others: one a peer, made when first needed, shared by all calls, kept while the cache has
// room. Invariants: at most one link a peer and address; a link with something under way is never pushed out.
// A peer that cannot be reached is left alone for a while, which grows with every failure: calls to it fail at once.
// Fails with LinkFailure; refusals and faults of the peer pass through.

import { connect as connectLocally, type OnReadOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { ByteBudget } from '../../base/byte-budget.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import { ReadBuffer } from '../../base/read-buffer.ts';
import type { LinkCredentials } from '../link-credentials.ts';
import type { ShardPlace } from '../location.ts';
import {
  CallingLink,
  type CallOptions,
  type HeldStream,
  type HeldStreamOptions,
  whenWaitedEnough,
} from './calling-link.ts';
import type { LinkVersions } from './hello.ts';
import { LinkFailure } from './link-failure.ts';
import { type LinkLimits, linkLimitsDefault } from './link-limits.ts';
import type { LinkRequest } from './link-request.ts';
import { clientTlsOptions, linkProtocolName } from './link-tls.ts';
import { formatIntroduction, isLocalPlace } from './local-link.ts';

/** Where a node is reached. */
export type LinkPlace = Pick<ShardPlace, 'node' | 'address'>;

export interface LinkPoolOptions {
  /** Asked for each new link: certificates are renewed while the node runs. */
  readonly credentials: () => LinkCredentials;
  /** A worker's, for links to the others of its machine. */
  readonly localSecret?: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Links kept open; more only while all are in use. */
  readonly linksMax: number;
  readonly limits?: Partial<LinkLimits>;
  readonly versions?: LinkVersions;
}

interface Peer {
  readonly place: LinkPlace;
  link: CallingLink | undefined;
  connecting: Promise<CallingLink> | undefined;
  /** Milliseconds, monotonic. */
  usedAt: number;
  failures: number;
  retryAt: number;
  failure: LinkFailure | undefined;
}

/** After the first failure: short, a node that restarts is back within a second. */
const backOffMsMin = 50;
/** At the most: how long a node that came back may go unnoticed. */
const backOffMsMax = 2_000;
/** Peers without a link whose failures are remembered. */
const peersMax = 10_000;
/** As much as the system gives in one read. */
const readBufferBytes = 64 * 1024;

export class LinkPool implements AsyncDisposable {
  readonly #options: LinkPoolOptions;
  readonly #limits: LinkLimits;
  readonly #incoming: ByteBudget;
  readonly #peers = new Map<string, Peer>();
  /** All that are open: also those that take no new calls. */
  readonly #links = new Set<CallingLink>();
  #closed = false;

  constructor(options: LinkPoolOptions) {
    this.#options = options;
    this.#limits = Object.freeze({ ...linkLimitsDefault, ...options.limits });
    this.#incoming = new ByteBudget(this.#limits.incomingBytesMax, options.clock);
  }

  get links(): number {
    return this.#links.size;
  }

  async call(place: LinkPlace, request: LinkRequest, options: CallOptions): Promise<unknown> {
    const startedAt = this.#options.clock.monotonic();
    const ready = this.#ready(place);
    if (ready !== undefined) return ready.call(request, options);
    const link = await unlessGivenUp(this.#link(place), this.#options.clock, options);
    const timeoutMs = Math.max(1, options.timeoutMs - (this.#options.clock.monotonic() - startedAt));
    return link.call(request, { ...options, timeoutMs });
  }

  async hold(place: LinkPlace, request: LinkRequest, options: HeldStreamOptions): Promise<HeldStream> {
    const link = this.#ready(place) ?? (await this.#link(place));
    return link.hold(request, options);
  }

  /**
   * This node has other credentials: the next calls go over links made with them. What is under way over those made before goes
   * on, until the peers end them.
   */
  renew(): void {
    for (const link of this.#links) link.retire('this node has a new certificate');
  }

  /** Ends all links; what is under way fails. */
  async close(): Promise<void> {
    this.#closed = true;
    const connecting: Promise<unknown>[] = [];
    for (const peer of this.#peers.values()) {
      if (peer.connecting !== undefined) connecting.push(peer.connecting);
    }
    for (const link of this.#links) link.close('this node stops');
    await Promise.allSettled(connecting);
    this.#peers.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #peer(place: LinkPlace): Peer {
    const key = `${place.node} ${place.address.host} ${place.address.port}`;
    let peer = this.#peers.get(key);
    if (peer === undefined) {
      this.#forgetOldPeers();
      peer = {
        place,
        link: undefined,
        connecting: undefined,
        usedAt: 0,
        failures: 0,
        retryAt: 0,
        failure: undefined,
      };
      this.#peers.set(key, peer);
    }
    peer.usedAt = this.#options.clock.monotonic();
    return peer;
  }

  /** The link when it is there: the way of nearly every call. */
  #ready(place: LinkPlace): CallingLink | undefined {
    const { link } = this.#peer(place);
    return link?.isUsable ? link : undefined;
  }

  #link(place: LinkPlace): Promise<CallingLink> {
    if (this.#closed) return Promise.reject(new LinkFailure('this node stops'));
    const peer = this.#peer(place);
    if (peer.connecting === undefined && peer.failure !== undefined) {
      if (this.#options.clock.monotonic() < peer.retryAt) return Promise.reject(peer.failure);
    }
    peer.connecting ??= this.#connect(peer).finally(() => {
      peer.connecting = undefined;
    });
    return peer.connecting;
  }

  async #connect(peer: Peer): Promise<CallingLink> {
    try {
      const link = await this.#open(peer);
      peer.failures = 0;
      peer.failure = undefined;
      peer.link = link;
      this.#shrink();
      return link;
    } catch (error) {
      const { clock, random, log } = this.#options;
      const { node, address } = peer.place;
      const message = `no link to ${node} at ${address.host}:${address.port}`;
      peer.failure = new LinkFailure(`${message}: ${(error as Error).message}`, error);
      const delayMs = Math.min(backOffMsMax, backOffMsMin * 2 ** Math.min(peer.failures++, 10));
      // Spread, so that many nodes do not come back to one at the same moment.
      peer.retryAt = clock.monotonic() + delayMs / 2 + random.integer(Math.ceil(delayMs / 2));
      log.warn({ peer: node, reason: (error as Error).message }, message);
      throw peer.failure;
    }
  }

  async #open(peer: Peer): Promise<CallingLink> {
    const { clock, log, versions } = this.#options;
    // What comes before the link listens is lost: the called side speaks second, so such a link ends for want of a hello.
    const readBuffer = new ReadBuffer({ bytes: readBufferBytes });
    const socket = await this.#connectSocket(peer.place, readBuffer);
    if (socket.destroyed) throw new Error('the peer ended it at once');
    const link = new CallingLink({
      socket,
      readBuffer,
      clock,
      log,
      limits: this.#limits,
      incoming: this.#incoming,
      ...(versions && { versions }),
      closed: (ended, reason) => {
        this.#links.delete(ended);
        if (peer.link === ended) peer.link = undefined;
        log.debug({ peer: peer.place.node, reason }, 'a link ended');
      },
    });
    this.#links.add(link);
    const timer = clock.after(this.#limits.handshakeTimeoutMs, () => link.close('no hello came'));
    try {
      await link.opened();
    } finally {
      timer.cancel();
    }
    if (this.#closed) link.close('this node stops');
    return link;
  }

  #connectSocket({ node, address }: LinkPlace, readBuffer: ReadBuffer): Promise<Socket> {
    const { clock, credentials, localSecret } = this.#options;
    const isLocal = localSecret !== undefined && isLocalPlace(address);
    const { onread } = readBuffer;
    const { host, port } = address;
    return new Promise((resolve, reject) => {
      const socket = isLocal
        ? connectLocally({ path: host, onread })
        : connectSecurely({ ...clientTlsOptions(credentials(), node), host, port, onread });
      socket.setNoDelay(true);
      const fail = (error: Error): void => {
        timer.cancel();
        socket.destroy();
        reject(error);
      };
      const timer = clock.after(this.#limits.handshakeTimeoutMs, () => fail(new Error('no answer in time')));
      socket.once('error', fail);
      socket.once('close', () => fail(new Error('the connection was refused')));
      socket.once(isLocal ? 'connect' : 'secureConnect', () => {
        if (isLocal) socket.write(formatIntroduction(credentials().node, localSecret));
        else if ((socket as TLSSocket).alpnProtocol !== linkProtocolName)
          return fail(new Error('the peer speaks another protocol'));
        timer.cancel();
        socket.removeAllListeners('close');
        // Whoever gets it listens a moment later; an error that nobody hears until then would end the process.
        socket.on('error', () => {});
        socket.removeListener('error', fail);
        resolve(socket);
      });
    });
  }

  /** Closes idle links, the longest unused first, until the cache fits. */
  #shrink(): void {
    let excess = this.links - this.#options.linksMax;
    if (excess <= 0) return;
    const oldestFirst = [...this.#peers.values()].sort((a, b) => a.usedAt - b.usedAt);
    for (const { link } of oldestFirst.slice(0, -1)) {
      if (excess <= 0) return;
      if (link === undefined || !link.isIdle) continue;
      link.close('the cache of links is full');
      excess--;
    }
  }

  #forgetOldPeers(): void {
    if (this.#peers.size < peersMax) return;
    for (const [key, { link, connecting }] of this.#peers) {
      if (link === undefined && connecting === undefined) this.#peers.delete(key);
    }
  }
}

/** `onread` is in Node's documentation of tls.connect, and not in its types. */
function connectSecurely(options: ConnectionOptions & { readonly onread: OnReadOpts }): TLSSocket {
  return connect(options);
}

/** The link is made all the same: others may want it. */
function unlessGivenUp<T>(promise: Promise<T>, clock: Clock, options: CallOptions): Promise<T> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    const giveUp = (reason: string): void => reject(new LinkFailure(reason));
    const abort = (): void => giveUp('the call was given up');
    if (signal?.aborted) return abort();
    signal?.addEventListener('abort', abort, { once: true });
    const stopWaiting = whenWaitedEnough(clock, options, giveUp);
    promise.then(resolve, reject).finally(() => {
      stopWaiting();
      signal?.removeEventListener('abort', abort);
    });
  });
}
