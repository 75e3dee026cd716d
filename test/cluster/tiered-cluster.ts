// Backends that no client reaches, and two frontends that host nothing, on addresses of the test's own; balancers
// stand before them. Frontends say their own name when they greet, so that a test sees whom a client met.

import { loopbackNetwork } from '../loopback-network.ts';
import { listenerNames } from '../server-process.ts';
import { ClusterProcesses } from './cluster-processes.ts';
import { settingsBehind } from './front-balancer.ts';
import type { NodeProcess } from './node-process.ts';

export const siteName = 'mail.example.test';
/** The same ones on each frontend, as where there is no balancer but DNS. */
export const frontendPorts = { imap: 20143, pop3: 20110, mx: 20025, submission: 20587, admin: 22080 };

export interface TieredCluster {
  readonly cluster: ClusterProcesses;
  readonly backends: readonly NodeProcess[];
  readonly frontends: readonly NodeProcess[];
  /** Nodes expect the PROXY header from there. */
  readonly balancerAddress: string;
  /** An address of the test's own network by its last number. */
  readonly address: (last: number) => string;
}

const frontendCount = 2;

export async function startTieredCluster(users: readonly string[], backendCount = 2): Promise<TieredCluster> {
  const isBackend = (node: string): boolean => Number(node.slice('node'.length)) <= backendCount;
  const network = loopbackNetwork();
  const address = (last: number): string => `${network}.${last}`;
  const balancerAddress = address(100);
  const backendSettings = [
    'cluster.roles=["backend"]',
    `hostname=${siteName}`,
    ...listenerNames.map((name) => `listen.${name}=off`),
  ];
  const cluster = await ClusterProcesses.start({
    users,
    nodes: backendCount + frontendCount,
    network,
    settings: settingsBehind(balancerAddress),
    settingsOf: (node, host) =>
      isBackend(node)
        ? backendSettings
        : [
            'cluster.roles=["frontend","mx"]',
            `hostname=${node}.example.test`,
            ...Object.entries(frontendPorts).map(([name, port]) => `listen.${name}=${host}:${port}`),
          ],
  });
  return {
    cluster,
    backends: cluster.nodes.filter(({ name }) => isBackend(name)),
    frontends: cluster.nodes.filter(({ name }) => !isBackend(name)),
    balancerAddress,
    address,
  };
}

/** Who greeted: "node3". */
export function greeterOf(greeting: string): string {
  return /\b(node\d)\.example\.test/.exec(greeting)?.[1] ?? greeting;
}
