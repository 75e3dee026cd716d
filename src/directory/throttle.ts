// Failed logins are counted for each remote address (IPv6: each /64, which one customer owns whole) and each login
// name, known or not. A count leaks away evenly, the limit within ten minutes: who reached it gets one more try
// every (ten minutes / limit). Bounded memory: the names and addresses longest without a failure are forgotten first.
// A name's limit does not shut out an address from which its owner logged in lately: else anybody could lock anybody out.
// A node of the outer zone is believed nothing of addresses beyond its own clients: what it says of them counts for it alone.
// It has a limit of its own, and half of each name's; so one that was broken into gains little and locks nobody out elsewhere.

import type { Clock } from '../base/clock.ts';
import { networkOf } from '../base/network-of.ts';
import type { NodeId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { LoginLimits } from './settings.ts';

export const throttleWindowMs = 10 * 60_000;
/** Entries of each table, about 150 bytes each. */
const entriesMax = 50_000;
/** How long a successful login vouches for its address. */
const trustedMs = 24 * 60 * 60_000;

export type ThrottleLimits = Pick<LoginLimits, 'failuresPerAddress' | 'failuresPerAccount'> &
  Partial<Pick<LoginLimits, 'failuresPerFrontend'>>;

/** From where somebody tries. */
export interface LoginOrigin {
  readonly remoteAddress: string;
  /** The node of the outer zone that says so; undefined: it was seen here. */
  readonly frontend?: NodeId | undefined;
}

/** Of a name's limit, for what comes through one node of the outer zone. */
const frontendShare = 1 / 2;
/** So far beyond its limit such a node brings nobody in, those whose addresses are known neither. */
const frontendExcess = 2;

export class LoginThrottle {
  readonly #clock: Clock;
  readonly #addresses = new LeakingCounters();
  readonly #users = new LeakingCounters();
  readonly #frontends = new LeakingCounters();
  /** Of each name, by frontend. */
  readonly #shares = new LeakingCounters();
  /** "user\0network" → until when (monotonic). */
  readonly #trusted = new Map<string, number>();
  /** When it was last told that one is over its limit. */
  readonly #toldAt = new Map<NodeId, number>();
  readonly #frontendFull: ((frontend: NodeId) => void) | undefined;

  /** `frontendFull`: called when one reaches its limit, once within ten minutes. */
  constructor(clock: Clock, limits: ThrottleLimits, frontendFull?: (frontend: NodeId) => void) {
    this.#clock = clock;
    this.#frontendFull = frontendFull;
    this.setLimits(limits);
  }

  setLimits(limits: ThrottleLimits): void {
    this.#addresses.setLimit(limits.failuresPerAddress);
    this.#users.setLimit(limits.failuresPerAccount);
    this.#frontends.setLimit(limits.failuresPerFrontend ?? 0);
    this.#shares.setLimit(Math.ceil(limits.failuresPerAccount * frontendShare));
  }

  /** Refuses with limitReached while there were too many failures. */
  check(user: string, origin: LoginOrigin): void {
    const now = this.#clock.monotonic();
    const network = networkAt(origin);
    const isTrusted = this.#isTrusted(user, network, now);
    const isFull =
      this.#addresses.isFull(network, now) ||
      this.#isFrontendFull(user, origin, isTrusted) ||
      (this.#users.isFull(user, now) && !isTrusted);
    if (isFull) throw new MailError('limitReached', 'too many failed logins; try again later');
  }

  #isFrontendFull(user: string, { frontend }: LoginOrigin, isTrusted: boolean): boolean {
    if (frontend === undefined) return false;
    const now = this.#clock.monotonic();
    if (isTrusted) return this.#frontends.isFull(frontend, now, frontendExcess);
    return this.#frontends.isFull(frontend, now) || this.#shares.isFull(`${user}\0${frontend}`, now);
  }

  failed(user: string, origin: LoginOrigin): void {
    const now = this.#clock.monotonic();
    const { frontend } = origin;
    this.#addresses.add(networkAt(origin), now);
    this.#users.add(user, now);
    if (frontend === undefined) return;
    this.#frontends.add(frontend, now);
    this.#shares.add(`${user}\0${frontend}`, now);
    const isFull = this.#frontends.isFull(frontend, now);
    if (!isFull || now - (this.#toldAt.get(frontend) ?? Number.NEGATIVE_INFINITY) < throttleWindowMs) return;
    this.#toldAt.set(frontend, now);
    this.#frontendFull?.(frontend);
  }

  /** The address is trusted with this user from now on; its failures stay counted, or guesses could be mixed with successes. */
  succeeded(user: string, origin: LoginOrigin): void {
    const key = `${user}\0${networkAt(origin)}`;
    this.#trusted.delete(key);
    evictOldest(this.#trusted);
    this.#trusted.set(key, this.#clock.monotonic() + trustedMs);
  }

  #isTrusted(user: string, network: string, now: number): boolean {
    return (this.#trusted.get(`${user}\0${network}`) ?? 0) > now;
  }
}

/** The same address is another one for each frontend that names it. */
function networkAt({ remoteAddress, frontend }: LoginOrigin): string {
  const network = networkOf(remoteAddress);
  return frontend === undefined ? network : `${network}\0${frontend}`;
}

class LeakingCounters {
  #limit = 0;
  readonly #counters = new Map<string, { level: number; at: number }>();

  setLimit(limit: number): void {
    this.#limit = limit;
  }

  /** `times`: of the limit. */
  isFull(key: string, now: number, times = 1): boolean {
    return this.#level(key, now) > times * this.#limit - 1;
  }

  add(key: string, now: number): void {
    const level = this.#level(key, now) + 1;
    this.#counters.delete(key);
    evictOldest(this.#counters);
    this.#counters.set(key, { level, at: now });
  }

  #level(key: string, now: number): number {
    const counter = this.#counters.get(key);
    const leakPerMs = this.#limit / throttleWindowMs;
    return counter === undefined ? 0 : Math.max(0, counter.level - (now - counter.at) * leakPerMs);
  }
}

function evictOldest(map: Map<string, unknown>): void {
  if (map.size < entriesMax) return;
  const oldest = map.keys().next().value;
  if (oldest !== undefined) map.delete(oldest);
}
