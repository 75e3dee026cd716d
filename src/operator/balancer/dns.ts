// The zone fragment of a cluster: the name's addresses, MX, and where mail programs find the services (RFC 6186, RFC 8314
// 5.1). Pure. All names are absolute, so it may stand in any zone file.
//
// The addresses are the floating ones where there are any, else the balancers', else those of the nodes themselves: DNS is
// then the balancer, and a node that drains is left out while it does.

import { isIPv4 } from 'node:net';
import { MailError } from '../../mail/mail-error.ts';
import {
  type BalancedCluster,
  type BalancedProtocol,
  type BalancerPorts,
  checkBalancedCluster,
  checkPorts,
  nodesFor,
  publicPorts,
} from './balanced-cluster.ts';

export interface DnsOptions {
  readonly ttlSeconds?: number;
  /** Where clients find a protocol, if not on its own port: the balancers', or those before address translation. */
  readonly ports?: BalancerPorts;
}

/** A change reaches clients in minutes, and resolvers are not asked for each connection. */
const ttlSecondsDefault = 300;
/** A name with more addresses does not fit a plain answer. */
const addressesMax = 20;
const clientProtocols = ['imaps', 'imap', 'pop3s', 'pop3', 'submissions', 'submission'] as const;

/** The fragment. Refuses with invalidArgument what cannot be written. */
export function formatDns(cluster: BalancedCluster, options: DnsOptions = {}): string {
  checkBalancedCluster(cluster);
  const { ttlSeconds = ttlSecondsDefault, ports = {} } = options;
  checkPorts(ports);
  if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds < 1)
    throw new MailError('invalidArgument', `${ttlSeconds} is no time to live`);
  const record = (name: string, type: string, value: string): string =>
    `${`${name}.`.padEnd(40)} ${ttlSeconds} IN ${type.padEnd(5)} ${value}`;
  const services = placeOf(cluster);
  const { hostname } = cluster;
  const mxName = services.mx === services.clients ? hostname : `mx.${hostname}`;
  const addresses = (name: string, all: readonly string[]): string[] =>
    all.map((address) => record(name, isIPv4(address) ? 'A' : 'AAAA', address));
  const lines = [
    `; DNS for ${hostname}. Written by "rookery balancer dns"; make it again when addresses or nodes change.`,
    ...addresses(hostname, services.clients),
    ...(mxName === hostname ? [] : addresses(mxName, services.mx)),
  ];
  for (const domain of cluster.domains) {
    lines.push('', `; mail for ${domain}`, record(domain, 'MX', `10 ${mxName}.`));
    for (const [place, protocol] of clientProtocols.entries()) {
      const offered = services.portOf(protocol);
      const port = offered === undefined ? undefined : (ports[protocol] ?? offered);
      // RFC 6186 3.4: a service that is not offered has the root for a target. TLS from the first byte comes first.
      const value = port === undefined ? '0 0 0 .' : `${place % 2 === 0 ? 0 : 10} 1 ${port} ${hostname}.`;
      lines.push(record(`_${protocol}._tcp.${domain}`, 'SRV', value));
    }
    lines.push(record(`autoconfig.${domain}`, 'CNAME', `${hostname}.`));
    lines.push(record(`autodiscover.${domain}`, 'CNAME', `${hostname}.`));
  }
  return `${lines.join('\n')}\n`;
}

interface ServicePlaces {
  readonly clients: readonly string[];
  /** The same list when mail comes in where clients go. */
  readonly mx: readonly string[];
  /** Undefined: nobody offers it. */
  portOf(protocol: BalancedProtocol): number | undefined;
}

function placeOf(cluster: BalancedCluster): ServicePlaces {
  const balancers = (
    cluster.floatingAddresses.length > 0 ? cluster.floatingAddresses : cluster.balancers
  ).map(({ address }) => address);
  if (balancers.length > 0) {
    const portOf = (protocol: BalancedProtocol): number | undefined =>
      nodesFor(cluster, protocol).length > 0 ? publicPorts[protocol] : undefined;
    return { clients: bounded(balancers), mx: balancers, portOf };
  }
  const clients = bounded(publicAddresses(cluster, clientProtocols));
  const mx = bounded(publicAddresses(cluster, ['mx']));
  const isSame = [...clients].sort().join() === [...mx].sort().join();
  const portOf = (protocol: BalancedProtocol): number | undefined =>
    nodesFor(cluster, protocol)[0]?.listeners[protocol];
  return { clients, mx: isSame ? clients : mx, portOf };
}

function publicAddresses(cluster: BalancedCluster, protocols: readonly BalancedProtocol[]): string[] {
  const nodes = new Set(protocols.flatMap((protocol) => nodesFor(cluster, protocol)));
  const taking = [...nodes].filter(({ weight }) => weight > 0);
  const ready = taking.filter(({ isDraining }) => !isDraining);
  // All of them drain: better one that is leaving than a name without addresses.
  return (ready.length > 0 ? ready : taking).flatMap(({ publicAddresses: own, address }) => own ?? [address]);
}

function bounded(addresses: readonly string[]): readonly string[] {
  if (addresses.length === 0)
    throw new MailError('invalidArgument', 'no node takes clients: there is no address to name');
  if (addresses.length > addressesMax)
    throw new MailError(
      'invalidArgument',
      `more than ${addressesMax} addresses for one name; put a balancer in front`,
    );
  return addresses;
}
