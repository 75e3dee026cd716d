// Connections to a port between nodes whose TLS handshake is not done: anybody who reaches the port can make one, and each
// costs memory and a place. TLS of Node tells when a handshake takes too long, and keeps the connection all the same.
// Invariants: they are bounded in number, in all and for each network, and in time. Who comes when the bound is reached is
// let in, and the one that has taken longest goes, of the network that has most of them: so connections that never finish
// push out one another, and a member, whose handshake takes milliseconds, finds its place however many others try.
// Nothing here fails.

import type { Socket } from 'node:net';
import type { Clock, Timer } from '../base/clock.ts';
import { networkOf } from '../base/network-of.ts';

export interface HalfOpenLimits {
  readonly connectionsMax: number;
  readonly perNetworkMax: number;
  /** From the first packet to the end of the handshake. */
  readonly timeoutMs: number;
}

export interface HalfOpenOptions {
  readonly limits: HalfOpenLimits;
  readonly clock: Clock;
  /** One did not finish in time, or others came. */
  readonly cut: (remoteAddress: string) => void;
}

interface HalfOpen {
  readonly socket: Socket;
  readonly network: string;
  readonly timer: Timer;
}

export class HalfOpenConnections {
  readonly #options: HalfOpenOptions;
  /** By the peer's address and port, which the TLS socket above knows as well; oldest first. */
  readonly #connections = new Map<string, HalfOpen>();
  /** Of each network that has any; its keys above, oldest first. */
  readonly #networks = new Map<string, Set<string>>();

  constructor(options: HalfOpenOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#connections.size;
  }

  /** A connection begins; `socket` is the one below TLS. False: its peer is gone already. */
  begin(socket: Socket): boolean {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) {
      socket.destroy();
      return false;
    }
    const { clock, limits } = this.#options;
    const { connectionsMax, perNetworkMax, timeoutMs } = limits;
    const network = networkOf(remoteAddress);
    if ((this.#networks.get(network)?.size ?? 0) >= perNetworkMax) this.#cutOldest(network);
    else if (this.#connections.size >= connectionsMax) this.#cutOldest(this.#busiestNetwork());
    const key = keyOf(socket);
    const timer = clock.after(timeoutMs, () => this.#cut(key));
    this.#connections.set(key, { socket, network, timer });
    const ofNetwork = this.#networks.get(network) ?? new Set();
    this.#networks.set(network, ofNetwork.add(key));
    socket.once('close', () => {
      // Another connection may have the port by now.
      if (this.#connections.get(key)?.socket === socket) this.#forget(key);
    });
    return true;
  }

  /** The handshake of the connection is done; `socket` is that of TLS. */
  finished(socket: Pick<Socket, 'remoteAddress' | 'remotePort'>): void {
    this.#forget(keyOf(socket));
  }

  /** Cuts all. */
  close(): void {
    for (const key of [...this.#connections.keys()]) this.#cut(key);
  }

  /** At most as many networks as connections. */
  #busiestNetwork(): string {
    let busiest = '';
    let most = 0;
    for (const [network, { size }] of this.#networks) {
      if (size <= most) continue;
      busiest = network;
      most = size;
    }
    return busiest;
  }

  #cutOldest(network: string): void {
    for (const key of this.#networks.get(network) ?? []) {
      this.#cut(key);
      return;
    }
  }

  #cut(key: string): void {
    const found = this.#connections.get(key);
    if (found === undefined) return;
    this.#forget(key);
    // Asked before: a socket that is destroyed has no address.
    const { remoteAddress = '' } = found.socket;
    found.socket.destroy();
    this.#options.cut(remoteAddress);
  }

  #forget(key: string): void {
    const found = this.#connections.get(key);
    if (found === undefined) return;
    found.timer.cancel();
    this.#connections.delete(key);
    const ofNetwork = this.#networks.get(found.network)!;
    ofNetwork.delete(key);
    if (ofNetwork.size === 0) this.#networks.delete(found.network);
  }
}

function keyOf({ remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return `${remoteAddress} ${remotePort}`;
}
