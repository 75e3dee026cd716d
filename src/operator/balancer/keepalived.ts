// A complete keepalived configuration for one of the machines that run HAProxy: the floating addresses are on one of them,
// and on another one when that machine, its HAProxy, or its way to every node is gone. Pure.
// No machine takes an address back only because it came up again: each move costs the clients their connections.

import { isIPv4 } from 'node:net';
import { MailError } from '../../mail/mail-error.ts';
import { type BalancedCluster, checkBalancedCluster, checkPorts } from './balanced-cluster.ts';
import { healthPortDefault } from './haproxy.ts';

export interface KeepalivedOptions {
  /** The name of the balancer that it is for. */
  readonly balancer: string;
  /** 1 to 255, the same on all balancers, used by nobody else in their network. */
  readonly routerId?: number;
  /** The port of HAProxy's own health. */
  readonly healthPort?: number;
}

const routerIdDefault = 51;
const priorityHighest = 200;
/** Priorities are 1 to 254. */
const priorityStep = 10;
const balancersMax = 20;

/** The whole file. Refuses with invalidArgument what cannot be written. */
export function formatKeepalived(cluster: BalancedCluster, options: KeepalivedOptions): string {
  checkBalancedCluster(cluster);
  const { balancer, routerId = routerIdDefault, healthPort = healthPortDefault } = options;
  checkPorts({ health: healthPort });
  const { balancers, floatingAddresses } = cluster;
  const place = balancers.findIndex(({ name }) => name === balancer);
  const own = balancers[place];
  if (own === undefined)
    throw wrong(`there is no balancer "${balancer}": --balancer ${balancer}=ADDRESS names it`);
  if (floatingAddresses.length === 0) throw wrong('there is no floating address');
  if (balancers.length > balancersMax) throw wrong(`there are more than ${balancersMax} balancers`);
  if (!Number.isInteger(routerId) || routerId < 1 || routerId > 255) throw wrong('a router id is 1 to 255');
  const peers = balancers.filter((other) => other !== own);
  const texts = floatingAddresses.map(({ address, prefixLength }) => ({
    text: `        ${address}/${prefixLength} dev ${own.interface}`,
    isFirstFamily: isIPv4(address) === isIPv4(floatingAddresses[0]!.address),
  }));
  const block = (name: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : [`    ${name} {`, ...lines, '    }'];
  const lines = [
    `# keepalived for ${cluster.hostname} on ${own.name}. Written by "rookery balancer keepalived"; each balancer has its own.`,
    '# Check: keepalived --config-test --use-file FILE',
    '',
    'global_defs {',
    `    router_id ${own.name}`,
    '    enable_script_security',
    '    script_user nobody',
    '}',
    '',
    '# HAProxy runs, and has a node to send clients to.',
    'vrrp_script haproxy_has_nodes {',
    `    script "/usr/bin/curl --silent --fail --max-time 2 --output /dev/null http://127.0.0.1:${healthPort}/healthz"`,
    '    interval 1',
    '    timeout 3',
    '    fall 2',
    '    rise 2',
    '}',
    '',
    'vrrp_instance rookery {',
    '    state BACKUP',
    '    nopreempt',
    `    interface ${own.interface}`,
    `    virtual_router_id ${routerId}`,
    `    priority ${priorityHighest - priorityStep * place}`,
    '    advert_int 1',
    `    unicast_src_ip ${own.address}`,
    ...block(
      'unicast_peer',
      peers.map(({ address }) => `        ${address}`),
    ),
    ...block(
      'virtual_ipaddress',
      texts.flatMap(({ text, isFirstFamily }) => (isFirstFamily ? [text] : [])),
    ),
    // One instance announces addresses of one family; those of the other go with it.
    ...block(
      'virtual_ipaddress_excluded',
      texts.flatMap(({ text, isFirstFamily }) => (isFirstFamily ? [] : [text])),
    ),
    ...block('track_script', ['        haproxy_has_nodes']),
    '}',
  ];
  return `${lines.join('\n')}\n`;
}

const wrong = (message: string): MailError => new MailError('invalidArgument', message);
