// What is another in a worker's configuration than in that of a server which is alone: the ports that the supervisor chose,
// links to the other workers on this machine only, and its share of the memory.

import { type Config, intakeMemoryMin, type ListenerName } from './config/schema.ts';
import type { WorkerOrders } from './operator/workers/worker-messages.ts';

export function workerConfig(config: Config, orders: WorkerOrders): Config {
  const { limits, cluster } = config;
  const share = (bytes: number): number => Math.ceil(bytes / orders.workers);
  const listen = { ...config.listen };
  for (const [name, ports] of Object.entries(orders.ports)) {
    const key = name as ListenerName;
    listen[key] = listen[key].map((place, index) => ({ ...place, port: ports[index] ?? place.port }));
  }
  return {
    ...config,
    listen: { ...listen, admin: orders.hasAdmin ? listen.admin : [], link: [], join: [] },
    limits: {
      ...limits,
      account_memory: share(limits.account_memory),
      intake_memory: Math.max(share(limits.intake_memory), intakeMemoryMin(config)),
    },
    // Nobody but the workers reaches the links.
    cluster: { ...cluster, address: undefined },
    log: { ...config.log, format: orders.isPretty ? 'pretty' : 'json' },
  };
}
