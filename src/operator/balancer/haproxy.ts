// A complete HAProxy configuration (2.4 or later) for a cluster. Pure: the same cluster gives the same text.
//
// How it follows the nodes: one check a node (GET /readyz on its admin listener), which every section tracks.
// - 200: it takes clients.
// - any other answer: it lives and drains. HAProxy's state for that is NOLB: nobody new, sessions go on to their end.
// - no answer: it is down. Its sessions are cut, so that clients of a machine that froze or lost its network come
//   back at once, on another node, instead of waiting for their own time-outs.
// Affinity is a consistent hash of the client's address with a bound (no node gets more than some times its share): a
// client's next connection finds its TLS session and its verified password on the same node. A stick table would do
// the same, but needs copying between balancers, and HAProxy goes on sending sticky clients to a node that drains.
// A node that refuses connections is passed over before its check has failed; see boundPercent for what that needs.

import { MailError } from '../../mail/mail-error.ts';
import {
  type BalancedCluster,
  type BalancedNode,
  type BalancedProtocol,
  type BalancerPorts,
  balancedProtocols,
  checkBalancedCluster,
  checkPorts,
  nodesFor,
  publicPorts,
} from './balanced-cluster.ts';

export interface HaproxyOptions {
  /** Addresses the public sections are bound to; default all of the machine's. */
  readonly bind?: readonly string[];
  /** An address of a private network for LMTP and the admin API; without it they are left out. */
  readonly privateBind?: string;
  /** Where it listens, if not on the protocol's own port. */
  readonly ports?: BalancerPorts;
  /** The address it reaches the nodes from; default: the one the system chooses. */
  readonly source?: string;
  /** False: nodes are told nothing of the client, as by any other layer 4 switch. Default true. */
  readonly hasProxyHeader?: boolean;
  /** Path of the socket for `haproxyctl` and the like; default /run/haproxy/admin.sock. */
  readonly statsSocket?: string;
  /** "/dev/log" or "stdout" (for a container). */
  readonly log?: string;
  /** Connections at a time over all sections; each needs two file descriptors. */
  readonly connectionsMax?: number;
  /** Run as this user and group; undefined: as whoever starts it. Default haproxy. */
  readonly user?: string | null;
}

interface ProtocolSection {
  readonly title: string;
  readonly isPublic: boolean;
  readonly hasAffinity: boolean;
  /** Balanced request by request, and the node is told nothing of the client; the others: connection by connection. */
  readonly isHttp: boolean;
  readonly idle: 'imapMs' | 'pop3Ms' | 'smtpMs';
}

const client = { isPublic: true, hasAffinity: true, isHttp: false } as const;
const sections: Readonly<Record<BalancedProtocol, ProtocolSection>> = {
  // Senders are many, each with a few messages: nothing to remember about them, so load decides.
  mx: { ...client, title: 'SMTP from the Internet', hasAffinity: false, idle: 'smtpMs' },
  submission: { ...client, title: 'submission with STARTTLS', idle: 'smtpMs' },
  submissions: { ...client, title: 'submission over TLS', idle: 'smtpMs' },
  imap: { ...client, title: 'IMAP with STARTTLS', idle: 'imapMs' },
  imaps: { ...client, title: 'IMAP over TLS', idle: 'imapMs' },
  pop3: { ...client, title: 'POP3 with STLS', idle: 'pop3Ms' },
  pop3s: { ...client, title: 'POP3 over TLS', idle: 'pop3Ms' },
  lmtp: {
    title: 'LMTP of this site, which trusts its clients',
    isPublic: false,
    hasAffinity: false,
    isHttp: false,
    idle: 'smtpMs',
  },
  admin: {
    title: 'the admin API, which needs a token',
    isPublic: false,
    hasAffinity: false,
    // Who it was stands in the balancer's log.
    isHttp: true,
    idle: 'smtpMs',
  },
};

/** Where keepalived asks. */
export const healthPortDefault = 8405;
const connectionsDefault = 100_000;
/** The node's own limit comes first, with its protocol's words of farewell. */
const moreThanNodeMs = 60_000;

/** The whole file. Refuses with invalidArgument what cannot be written. */
export function formatHaproxy(cluster: BalancedCluster, options: HaproxyOptions = {}): string {
  checkBalancedCluster(cluster);
  checkOptions(options);
  const parts = [
    introduction(cluster, options),
    globalSection(options),
    defaultsSection(options),
    healthSection(options),
    nodesSection(cluster),
    ...balancedProtocols.flatMap((protocol) => protocolSection(cluster, protocol, options)),
  ];
  return `${parts.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function checkOptions(options: HaproxyOptions): void {
  const words = [
    ...(options.bind ?? []),
    options.privateBind,
    options.source,
    options.statsSocket,
    options.log,
    options.user,
  ];
  const isWord = (word: string | null | undefined): boolean => /^[A-Za-z0-9_./:[\]*@-]+$/.test(word ?? 'x');
  const wrong = words.find((word) => !isWord(word));
  if (wrong !== undefined)
    throw new MailError('invalidArgument', `"${wrong}" cannot stand in a configuration`);
  const { connectionsMax = connectionsDefault } = options;
  if (!Number.isSafeInteger(connectionsMax) || connectionsMax < 1)
    throw new MailError('invalidArgument', `${connectionsMax} is no number of connections`);
  checkPorts(options.ports);
}

function at(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function introduction(
  { hostname, nodes }: BalancedCluster,
  { hasProxyHeader = true }: HaproxyOptions,
): string[] {
  return [
    `# HAProxy for ${hostname}: ${nodes.length} nodes. Written by "rookery balancer haproxy"; make it again after nodes were`,
    '# added or removed (draining and failures are followed without that). Check: haproxy -c -f FILE',
    hasProxyHeader
      ? "# The nodes must trust this machine's addresses: proxy_protocol_from in their configuration."
      : "# Without the PROXY header: this machine's addresses must not stand in the nodes' proxy_protocol_from.",
  ];
}

function globalSection(options: HaproxyOptions): string[] {
  const { statsSocket = '/run/haproxy/admin.sock', log = '/dev/log', user = 'haproxy' } = options;
  const { connectionsMax = connectionsDefault } = options;
  return [
    'global',
    log === 'stdout' ? '    log stdout format raw daemon' : `    log ${log} daemon`,
    `    stats socket ${statsSocket} mode 660 level admin`,
    '    stats timeout 30s',
    ...(user === null ? [] : [`    user ${user}`, `    group ${user}`]),
    '    # Idle IMAP connections are many, and cheap: two descriptors and some 17 KiB each.',
    `    maxconn ${connectionsMax}`,
    '    # After a reload the old process ends when its last session does, or after this.',
    '    hard-stop-after 12h',
  ];
}

function defaultsSection({ connectionsMax = connectionsDefault, source }: HaproxyOptions): string[] {
  return [
    'defaults',
    '    mode tcp',
    '    log global',
    '    option tcplog',
    '    option dontlognull',
    '    # Peers that vanished without a word are found by the kernel.',
    '    option clitcpka',
    '    option srvtcpka',
    '    # A node that refuses a connection: another one gets it.',
    '    retries 2',
    '    option redispatch 1',
    '    timeout connect 3s',
    '    # A node that is busy for a second misses one check; three in a row is no accident.',
    '    timeout check 1s',
    '    timeout queue 10s',
    '    timeout client-fin 30s',
    '    timeout server-fin 30s',
    ...(source === undefined ? [] : [`    source ${source}`]),
    `    maxconn ${connectionsMax}`,
  ];
}

/** What keepalived asks: without any node the floating address is better elsewhere. */
function healthSection({ ports = {} }: HaproxyOptions): string[] {
  return [
    '# For keepalived and the like: answers 200 while this balancer has a node to send clients to.',
    'frontend health',
    '    mode http',
    `    bind 127.0.0.1:${ports.health ?? healthPortDefault}`,
    '    timeout client 5s',
    '    option dontlog-normal',
    '    acl has_no_node nbsrv(nodes) lt 1',
    '    monitor-uri /healthz',
    '    monitor fail if has_no_node',
  ];
}

/** Every node that takes any protocol's connections. */
function balancedNodes(cluster: BalancedCluster): BalancedNode[] {
  const taken = new Set(balancedProtocols.flatMap((protocol) => nodesFor(cluster, protocol)));
  return cluster.nodes.filter((node) => taken.has(node));
}

function nodesSection(cluster: BalancedCluster): string[] {
  const nodes = balancedNodes(cluster);
  return [
    '# One check a node, which all sections track. 200: ready. Any other answer: it drains, so no new clients (NOLB),',
    '# and its sessions go on. No answer, three times: down.',
    'backend nodes',
    '    mode http',
    '    timeout server 5s',
    '    option httpchk',
    `    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host ${cluster.hostname}`,
    '    http-check expect error-status L7OKC status 200',
    '    default-server check inter 1s fastinter 500ms downinter 1s rise 2 fall 3',
    ...nodes.map((node) => {
      const remark = node.isDraining
        ? ' # was draining when this was written; /readyz says when no more'
        : '';
      return `    server ${node.name} ${at(node.address, checkPortOf(node))}${remark}`;
    }),
  ];
}

function checkPortOf({ name, listeners }: BalancedNode): number {
  if (listeners.admin !== undefined) return listeners.admin;
  const way = 'give it an address of the private network: listen.admin';
  throw new MailError(
    'invalidArgument',
    `node ${name}: the balancer must reach its admin listener, for /readyz; ${way}`,
  );
}

/** HAProxy's weights are 0 to 256, and a hash with small ones is uneven: the heaviest node gets 100. */
function shareOf(weight: number, heaviest: number): number {
  return weight === 0 ? 0 : Math.max(1, Math.round((weight / heaviest) * 100));
}

function protocolSection(
  cluster: BalancedCluster,
  protocol: BalancedProtocol,
  options: HaproxyOptions,
): string[][] {
  const nodes = nodesFor(cluster, protocol);
  const section = sections[protocol];
  const addresses = section.isPublic ? (options.bind ?? ['']) : [options.privateBind];
  if (nodes.length === 0 || addresses[0] === undefined) return [];
  const port = options.ports?.[protocol] ?? publicPorts[protocol];
  const idle = `${Math.ceil((cluster.idle[section.idle] + moreThanNodeMs) / 1000)}s`;
  const heaviest = Math.max(...nodes.map(({ weight }) => weight));
  const proxy = section.isHttp || options.hasProxyHeader === false ? '' : ' send-proxy-v2';
  return [
    [
      `# ${section.title}`,
      `listen ${protocol}`,
      ...addresses.map((address) =>
        address === '' ? `    bind :::${port} v4v6` : `    bind ${at(address!, port)}`,
      ),
      `    timeout client ${idle}`,
      `    timeout server ${idle}`,
      ...balanceLines(section, nodes),
      `    default-server on-marked-down shutdown-sessions${proxy}`,
      ...nodes.map((node) => {
        const place = at(node.address, node.listeners[protocol]!);
        return `    server ${node.name} ${place} track nodes/${node.name} weight ${shareOf(node.weight, heaviest)}`;
      }),
    ],
  ];
}

function balanceLines({ hasAffinity, isHttp }: ProtocolSection, nodes: readonly BalancedNode[]): string[] {
  if (isHttp) return ['    mode http', '    option httplog', '    balance roundrobin'];
  if (!hasAffinity) return ['    balance leastconn'];
  const bound = boundPercent(nodes.map(({ weight }) => weight));
  return [
    '    balance source',
    '    hash-type consistent sdbm avalanche',
    ...(bound === undefined ? [] : [`    hash-balance-factor ${bound}`]),
  ];
}

/** Far from even is still better than another node each time. */
const boundPercentMin = 200;

/**
 * How much of its share a node may have. A node that was just killed has no connections, so those there are
 * fill the others beyond their share: unless all of them may be on the others, HAProxy finds these full and sends new
 * clients nowhere but to the dead one, until its check has failed three times. Undefined: there is one node.
 */
function boundPercent(weights: readonly number[]): number | undefined {
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  const withoutHeaviest = all - Math.max(...weights);
  if (withoutHeaviest === 0) return undefined;
  return Math.max(boundPercentMin, Math.ceil((100 * all) / withoutHeaviest));
}
