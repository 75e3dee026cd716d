// rookery balancer haproxy|keepalived|dns: prints the configuration of what stands in front of the nodes.

import { type Command, InvalidArgumentError } from 'commander';
import { isMailError } from '../../mail/mail-error.ts';
import type { AdminClient } from '../admin-client.ts';
import { CommandFailure } from '../exit-codes.ts';
import { collect, parseWholeNumber } from '../parse-option.ts';
import { withContext } from '../program-context.ts';
import {
  type BalancedCluster,
  type BalancerHost,
  type BalancerPorts,
  balancedProtocols,
  type FloatingAddress,
} from './balanced-cluster.ts';
import { formatDns } from './dns.ts';
import { formatHaproxy } from './haproxy.ts';
import { formatKeepalived } from './keepalived.ts';

/** What the cluster is now, as its admin API tells it; without balancers when it knows none. */
export type DescribeCluster = (client: AdminClient) => Promise<BalancedCluster>;

interface HaproxyCommandOptions {
  readonly bind?: readonly string[];
  readonly privateBind?: string;
  readonly port?: BalancerPorts;
  readonly source?: string;
  /** commander's name for --no-proxy-header. */
  readonly proxyHeader: boolean;
  readonly statsSocket?: string;
  readonly log?: string;
  readonly user?: string;
  readonly connections?: number;
}

interface KeepalivedCommandOptions {
  readonly balancer?: readonly string[];
  readonly floating?: readonly string[];
  readonly interface: string;
  readonly routerId?: number;
  readonly healthPort?: number;
}

interface DnsCommandOptions {
  readonly balancer?: readonly string[];
  readonly floating?: readonly string[];
  readonly port?: BalancerPorts;
  readonly ttl?: number;
}

export function addBalancerCommands(program: Command, describe: DescribeCluster): void {
  const balancer = program
    .command('balancer')
    .description('configurations for what stands in front of the nodes; see docs/balancer.md');
  addHaproxyCommand(balancer, describe);
  addKeepalivedCommand(balancer, describe);
  addDnsCommand(balancer, describe);
}

function addHaproxyCommand(balancer: Command, describe: DescribeCluster): void {
  balancer
    .command('haproxy')
    .description('print a complete HAProxy configuration for the nodes there are')
    .option('--bind <address>', 'listen there, not on all addresses (may be repeated)', collect)
    .option('--private-bind <address>', 'an address of a private network, for LMTP and the admin API')
    .option(
      '--port <protocol=port>',
      'listen for a protocol there, such as imaps=10993; "health" is what keepalived asks (may be repeated)',
      collectPort,
    )
    .option('--source <address>', 'the address the nodes are reached from; it stands in proxy_protocol_from')
    .option('--no-proxy-header', 'do not tell the nodes who the clients are; see docs/balancer.md')
    .option('--stats-socket <path>', 'the socket that HAProxy is asked by (/run/haproxy/admin.sock)')
    .option('--log <place>', '"/dev/log", "stdout" or the address of a syslog server (/dev/log)')
    .option('--user <name>', 'user and group to run as; "none": whoever starts it (haproxy)')
    .option('--connections <number>', 'connections at a time (100000)', parseWholeNumber)
    .action(
      withContext(async ({ client }, options: HaproxyCommandOptions) => {
        const { connections, user, port, proxyHeader, ...rest } = options;
        const more = {
          hasProxyHeader: proxyHeader,
          ...(port === undefined ? {} : { ports: port }),
          ...(connections === undefined ? {} : { connectionsMax: connections }),
          ...(user === undefined ? {} : { user: user === 'none' ? null : user }),
        };
        print(await describe(client), (cluster) => formatHaproxy(cluster, { ...rest, ...more }));
      }),
    );
}

function addKeepalivedCommand(balancer: Command, describe: DescribeCluster): void {
  withBalancerOptions(
    balancer
      .command('keepalived <name>')
      .description('print the keepalived configuration of the balancer NAME: who has the floating address'),
  )
    .option('--interface <name>', 'the network interface of the balancers', 'eth0')
    .option('--router-id <number>', '1 to 255, used by nobody else in the network (51)', parseWholeNumber)
    .option('--health-port <number>', 'where HAProxy says whether it has nodes (8405)', parseWholeNumber)
    .action(
      withContext(async ({ client }, name: string, options: KeepalivedCommandOptions) => {
        const { routerId, healthPort } = options;
        const more = {
          ...(routerId === undefined ? {} : { routerId }),
          ...(healthPort === undefined ? {} : { healthPort }),
        };
        print(withBalancers(await describe(client), options), (cluster) =>
          formatKeepalived(cluster, { balancer: name, ...more }),
        );
      }),
    );
}

function addDnsCommand(balancer: Command, describe: DescribeCluster): void {
  withBalancerOptions(
    balancer.command('dns').description('print the zone fragment: addresses, MX, SRV and autoconfig names'),
  )
    .option(
      '--port <protocol=port>',
      'where clients find a protocol, if not on its own port, for SRV (may be repeated)',
      collectPort,
    )
    .option('--ttl <seconds>', 'time to live (300)', parseWholeNumber)
    .action(
      withContext(async ({ client }, options: DnsCommandOptions) => {
        const { ttl, port } = options;
        const more = {
          ...(ttl === undefined ? {} : { ttlSeconds: ttl }),
          ...(port === undefined ? {} : { ports: port }),
        };
        print(withBalancers(await describe(client), { interface: 'eth0', ...options }), (cluster) =>
          formatDns(cluster, more),
        );
      }),
    );
}

function withBalancerOptions(command: Command): Command {
  return command
    .option(
      '--balancer <name=address>',
      'a machine that runs HAProxy, the preferred one first (may be repeated)',
      collect,
    )
    .option('--floating <address/prefix>', 'a floating address (may be repeated)', collect);
}

/** What the options say about balancers is stronger than what the cluster knows. */
function withBalancers(cluster: BalancedCluster, options: KeepalivedCommandOptions): BalancedCluster {
  const { balancer, floating } = options;
  return {
    ...cluster,
    ...(balancer === undefined
      ? {}
      : { balancers: balancer.map((text) => parseBalancer(text, options.interface)) }),
    ...(floating === undefined ? {} : { floatingAddresses: floating.map(parseFloating) }),
  };
}

const portNames: readonly string[] = [...balancedProtocols, 'health'];

function collectPort(text: string, previous: BalancerPorts = {}): BalancerPorts {
  const [, name = '', port] = /^([a-z0-9]+)=(\d{1,5})$/.exec(text) ?? [];
  if (!portNames.includes(name))
    throw new InvalidArgumentError(`expected NAME=PORT, NAME one of ${portNames.join(', ')}`);
  return { ...previous, [name]: Number(port) };
}

function parseBalancer(text: string, device: string): BalancerHost {
  const [name = '', address = ''] = text.split('=');
  return { name, address, interface: device };
}

function parseFloating(text: string): FloatingAddress {
  const [address = '', prefix = ''] = text.split('/');
  return { address, prefixLength: Number(prefix) };
}

/** The text is the result, with --json too: it is a file for another program. */
function print(cluster: BalancedCluster, format: (cluster: BalancedCluster) => string): void {
  try {
    process.stdout.write(format(cluster));
  } catch (error) {
    if (isMailError(error)) throw new CommandFailure(error.message);
    throw error;
  }
}
