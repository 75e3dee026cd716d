// The nodes of a cluster as a balancer meets them: from what each says of its listeners. Pure.
//
// A node is reached at one address: the one that most of its listeners are bound to, its link address when that is as good.
// Invariant: a port is named only when a listener of that name takes connections at that address.

import { isIP } from 'node:net';
import type { NodeListener, NodeRole } from './membership/cluster-rows.ts';
import type { NodeStatus } from './membership/cluster-status.ts';

export interface BalancedNodePlace {
  readonly name: string;
  readonly address: string;
  readonly zone: string;
  readonly roles: readonly NodeRole[];
  /** Port by the listener's name. */
  readonly listeners: Readonly<Record<string, number>>;
  readonly weight: number;
  /** It takes no new clients: it drains, or it is not there now. */
  readonly isDraining: boolean;
}

const everywhere = new Set(['0.0.0.0', '::']);
/** Other nodes' business, not clients'. */
const innerListeners = new Set(['link', 'join']);

/** All that belong to the cluster: one that is down for now is named too, so that it is found again when it is back. */
export function balancedNodes(nodes: readonly NodeStatus[]): BalancedNodePlace[] {
  return nodes.filter(({ state }) => state !== 'removed').map(balancedNode);
}

function balancedNode({ node, zone, roles, weight, state, drained, ...said }: NodeStatus): BalancedNodePlace {
  const listeners = (said.listeners ?? []).filter(({ name }) => !innerListeners.has(name));
  const address = addressFor(said.address.host, listeners);
  const ports: Record<string, number> = {};
  for (const listener of listeners) if (takesAt(listener, address)) ports[listener.name] ??= listener.port;
  const isDraining = drained || state !== 'active';
  return { name: node, address, zone, roles, listeners: ports, weight, isDraining };
}

function addressFor(host: string, listeners: readonly NodeListener[]): string {
  const named = isIP(host) > 0 ? [host] : [];
  const candidates = [...named, ...listeners.map(({ address }) => address)].filter(
    // Loopback is for the machine itself, unless the whole cluster is on one machine.
    (address) => !everywhere.has(address) && (isLoopback(host) || !isLoopback(address)),
  );
  let best = host;
  let most = -1;
  for (const candidate of candidates) {
    const count = listeners.filter((listener) => takesAt(listener, candidate)).length;
    if (count <= most) continue;
    best = candidate;
    most = count;
  }
  return best;
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address === 'localhost';
}

/** `::` takes IPv4 too, as Node binds it. */
function takesAt({ address: bound }: NodeListener, address: string): boolean {
  return bound === address || bound === '::' || (bound === '0.0.0.0' && isIP(address) === 4);
}
