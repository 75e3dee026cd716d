// Failed logins are counted for each remote address (IPv6: each /64, which one customer owns whole) and each login
// name, known or not. A count leaks away evenly, the limit within ten minutes: who reached it gets one more try
// every (ten minutes / limit). Bounded memory: the names and addresses longest without a failure are forgotten first.
// A name's limit does not shut out an address from which its owner logged in lately: else anybody could lock anybody out.

import ipaddr from 'ipaddr.js';
import type { Clock } from '../base/clock.ts';
import { MailError } from '../mail/mail-error.ts';
import type { LoginLimits } from './settings.ts';

export const throttleWindowMs = 10 * 60_000;
/** Entries of each table, about 150 bytes each. */
const entriesMax = 50_000;
/** How long a successful login vouches for its address. */
const trustedMs = 24 * 60 * 60_000;

export type ThrottleLimits = Pick<LoginLimits, 'failuresPerAddress' | 'failuresPerAccount'>;

export class LoginThrottle {
  readonly #clock: Clock;
  #limits: ThrottleLimits;
  readonly #addresses: LeakingCounters;
  readonly #users: LeakingCounters;
  /** "user\0address" → until when (monotonic). */
  readonly #trusted = new Map<string, number>();

  constructor(clock: Clock, limits: ThrottleLimits) {
    this.#clock = clock;
    this.#limits = limits;
    this.#addresses = new LeakingCounters(limits.failuresPerAddress);
    this.#users = new LeakingCounters(limits.failuresPerAccount);
  }

  setLimits(limits: ThrottleLimits): void {
    this.#limits = limits;
    this.#addresses.setLimit(limits.failuresPerAddress);
    this.#users.setLimit(limits.failuresPerAccount);
  }

  /** Refuses with limitReached while there were too many failures. */
  check(user: string, remoteAddress: string): void {
    const now = this.#clock.monotonic();
    const network = networkOf(remoteAddress);
    const isFull =
      this.#addresses.level(network, now) > this.#limits.failuresPerAddress - 1 ||
      (this.#users.level(user, now) > this.#limits.failuresPerAccount - 1 &&
        !this.#isTrusted(user, network, now));
    if (isFull) throw new MailError('limitReached', 'too many failed logins; try again later');
  }

  failed(user: string, remoteAddress: string): void {
    const now = this.#clock.monotonic();
    this.#addresses.add(networkOf(remoteAddress), now);
    this.#users.add(user, now);
  }

  /** The address is trusted with this user from now on; its failures stay counted, or guesses could be mixed with successes. */
  succeeded(user: string, remoteAddress: string): void {
    const key = `${user}\0${networkOf(remoteAddress)}`;
    this.#trusted.delete(key);
    evictOldest(this.#trusted);
    this.#trusted.set(key, this.#clock.monotonic() + trustedMs);
  }

  #isTrusted(user: string, network: string, now: number): boolean {
    return (this.#trusted.get(`${user}\0${network}`) ?? 0) > now;
  }
}

/** IPv4: the address; IPv6: its /64; mapped IPv4 is IPv4. What is no address is its own network. */
export function networkOf(remoteAddress: string): string {
  if (!remoteAddress.includes(':')) return remoteAddress;
  if (!ipaddr.isValid(remoteAddress)) return remoteAddress;
  const address = ipaddr.process(remoteAddress);
  if (address.kind() === 'ipv4') return address.toString();
  return Buffer.from(address.toByteArray().slice(0, 8)).toString('hex');
}

class LeakingCounters {
  #leakPerMs: number;
  readonly #counters = new Map<string, { level: number; at: number }>();

  constructor(limit: number) {
    this.#leakPerMs = limit / throttleWindowMs;
  }

  setLimit(limit: number): void {
    this.#leakPerMs = limit / throttleWindowMs;
  }

  level(key: string, now: number): number {
    const counter = this.#counters.get(key);
    return counter === undefined ? 0 : Math.max(0, counter.level - (now - counter.at) * this.#leakPerMs);
  }

  add(key: string, now: number): void {
    const level = this.level(key, now) + 1;
    this.#counters.delete(key);
    evictOldest(this.#counters);
    this.#counters.set(key, { level, at: now });
  }
}

function evictOldest(map: Map<string, unknown>): void {
  if (map.size < entriesMax) return;
  const oldest = map.keys().next().value;
  if (oldest !== undefined) map.delete(oldest);
}
