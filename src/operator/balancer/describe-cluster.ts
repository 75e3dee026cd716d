// The cluster as its admin API describes it to a balancer. What the API names and this version knows no section for is
// left out; the cluster knows no balancers, the command line does.

import type { AdminClient } from '../admin-client.ts';
import { CommandFailure } from '../exit-codes.ts';
import { type BalancedCluster, type BalancedNode, balancedProtocols } from './balanced-cluster.ts';

interface Described extends Omit<BalancedCluster, 'balancers' | 'floatingAddresses' | 'nodes'> {
  readonly nodes: readonly (Omit<BalancedNode, 'listeners'> & {
    readonly listeners: Readonly<Record<string, number>>;
  })[];
}

export async function describeCluster(client: Pick<AdminClient, 'call'>): Promise<BalancedCluster> {
  const described = await client.call<Described>({ path: '/api/cluster/balancer' });
  if (described.nodes.every(({ listeners }) => Object.keys(listeners).length === 0))
    throw new CommandFailure(
      'no node says where it listens for clients: are there listeners in its configuration (listen.*)? The workers of one machine share theirs and need no balancer',
    );
  return {
    ...described,
    nodes: described.nodes.map((node) => ({ ...node, listeners: knownListeners(node.listeners) })),
    balancers: [],
    floatingAddresses: [],
  };
}

function knownListeners(ports: Readonly<Record<string, number>>): BalancedNode['listeners'] {
  return Object.fromEntries(
    balancedProtocols.flatMap((protocol) => {
      const port = ports[protocol];
      return port === undefined ? [] : [[protocol, port]];
    }),
  );
}
