// Addresses as limits see them: who is trusted (CIDR ranges) and how many connections each client has; an IPv6 client is its
// /64 (networkOf). Invariant: the count of a client that has no connection is not kept, so the table is as small as the set
// of clients.

import ipaddr from 'ipaddr.js';
import { BoundedCounts } from '../../base/bounded-counts.ts';
import { Fault } from '../../base/fault.ts';
import { networkOf } from '../../base/network-of.ts';

type ParsedAddress = ipaddr.IPv4 | ipaddr.IPv6;

/** `::ffff:192.0.2.1` is what a dual-stack socket says for 192.0.2.1. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

/** The one spelling of an address that somebody else wrote; a mapped IPv4 address is that, however it is written. */
export function canonicalAddress(address: string): string {
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : address;
}

export class AddressRanges {
  readonly #ranges: readonly [ParsedAddress, number][];

  /** Each is an address or a CIDR range; throws a Fault naming the one that is neither. */
  constructor(ranges: readonly string[]) {
    this.#ranges = ranges.map((range) => {
      try {
        if (range.includes('/')) return ipaddr.parseCIDR(range);
        const address = ipaddr.parse(range);
        return [address, address.kind() === 'ipv4' ? 32 : 128];
      } catch (cause) {
        throw new Fault(`not an address or range: ${range}`, { temporary: false, cause });
      }
    });
  }

  contains(address: string): boolean {
    if (this.#ranges.length === 0 || !ipaddr.isValid(address)) return false;
    const parsed = ipaddr.process(address);
    for (const [range, bits] of this.#ranges) {
      if (range.kind() === parsed.kind() && parsed.match(range, bits)) return true;
    }
    return false;
  }
}

export class ConnectionCounts {
  readonly #counts = new BoundedCounts();

  /** Counts one more connection of this client unless it has `max` already. */
  acquire(address: string, max: number): boolean {
    return this.#counts.begin(networkOf(address), max);
  }

  release(address: string): void {
    this.#counts.end(networkOf(address));
  }
}
