// What a balancer's configuration is written from: the nodes of a cluster as clients meet them. Invariant: what was
// checked holds nothing that could end a line or a word in any of the configurations, so nothing is quoted there.
// Everything wrong is told at once, in one refusal (invalidArgument).

import { isIP, isIPv4 } from 'node:net';
import { MailError } from '../../mail/mail-error.ts';

export const balancedProtocols = [
  'mx',
  'submission',
  'submissions',
  'imap',
  'imaps',
  'pop3',
  'pop3s',
  'lmtp',
  'admin',
] as const;
export type BalancedProtocol = (typeof balancedProtocols)[number];

/** Where clients look for a protocol. */
export const publicPorts: Readonly<Record<BalancedProtocol, number>> = {
  mx: 25,
  submission: 587,
  submissions: 465,
  imap: 143,
  imaps: 993,
  pop3: 110,
  pop3s: 995,
  lmtp: 24,
  admin: 2080,
};

/** Where a balancer listens, if not on the protocol's own port; `health` is what keepalived asks. */
export type BalancerPorts = Partial<Readonly<Record<BalancedProtocol | 'health', number>>>;

export interface BalancedNode {
  readonly name: string;
  /** Where the balancer reaches it. */
  readonly address: string;
  /** Where the Internet reaches it, when there is no balancer in between; for DNS. */
  readonly publicAddresses?: readonly string[];
  readonly zone: string;
  readonly roles: readonly ('frontend' | 'mx' | 'backend')[];
  /** Ports of its listeners, those only that listen on `address`. */
  readonly listeners: Partial<Readonly<Record<BalancedProtocol, number>>>;
  /** Its share beside the others'; 0 takes no clients. */
  readonly weight: number;
  readonly isDraining: boolean;
}

/** A machine that runs HAProxy, and keepalived when there are several. */
export interface BalancerHost {
  readonly name: string;
  readonly address: string;
  readonly interface: string;
}

export interface FloatingAddress {
  readonly address: string;
  readonly prefixLength: number;
}

export interface BalancedCluster {
  /** The name clients connect to: mail.example.org. */
  readonly hostname: string;
  /** Domains mail is taken for, for DNS. */
  readonly domains: readonly string[];
  readonly nodes: readonly BalancedNode[];
  /** In the order of preference: the first one has the floating addresses while it lives. */
  readonly balancers: readonly BalancerHost[];
  readonly floatingAddresses: readonly FloatingAddress[];
  /** The nodes' own limits (limits.*_idle): a balancer is more patient than they are. */
  readonly idle: { readonly imapMs: number; readonly pop3Ms: number; readonly smtpMs: number };
}

const nameForm = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const interfaceForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/;
const domainForm =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

export function checkBalancedCluster(cluster: BalancedCluster): void {
  const problems: string[] = [];
  const expect = (condition: boolean, what: string): void => {
    if (!condition) problems.push(what);
  };
  for (const domain of [cluster.hostname, ...cluster.domains])
    expect(domainForm.test(domain), `"${domain}" is no domain name`);
  const names = new Set<string>();
  for (const node of cluster.nodes) {
    expect(nameForm.test(node.name), `"${node.name}" is no name of a node`);
    expect(!names.has(node.name), `there are two nodes ${node.name}`);
    names.add(node.name);
    for (const address of [node.address, ...(node.publicAddresses ?? [])])
      expect(isIP(address) > 0, `node ${node.name}: "${address}" is no IP address`);
    expect(Number.isFinite(node.weight) && node.weight >= 0, `node ${node.name}: its weight is 0 or more`);
    for (const [protocol, port] of Object.entries(node.listeners))
      expect(isPort(port), `node ${node.name}: ${protocol} is on no port`);
  }
  for (const { name, address, interface: device } of cluster.balancers) {
    expect(nameForm.test(name), `"${name}" is no name of a balancer`);
    expect(isIP(address) > 0, `balancer ${name}: "${address}" is no IP address`);
    expect(interfaceForm.test(device), `balancer ${name}: "${device}" is no network interface`);
  }
  for (const { address, prefixLength } of cluster.floatingAddresses) {
    const longest = isIPv4(address) ? 32 : 128;
    const isPrefix = Number.isInteger(prefixLength) && prefixLength > 0 && prefixLength <= longest;
    expect(isIP(address) > 0 && isPrefix, `"${address}/${prefixLength}" is no floating address`);
  }
  if (problems.length > 0) throw new MailError('invalidArgument', problems.join('\n'));
}

/** Refuses with invalidArgument. */
export function checkPorts(ports: BalancerPorts = {}): void {
  for (const port of Object.values(ports))
    if (!isPort(port)) throw new MailError('invalidArgument', `${port} is no port`);
}

function isPort(port: unknown): port is number {
  return Number.isInteger(port) && (port as number) >= 1 && (port as number) <= 65_535;
}

/** Mail from the Internet is an mx's work; delivery over LMTP a backend's or mx's; the rest a frontend's. */
const rolesOf: Readonly<Record<BalancedProtocol, readonly string[]>> = {
  mx: ['mx'],
  lmtp: ['backend', 'mx'],
  submission: ['frontend'],
  submissions: ['frontend'],
  imap: ['frontend'],
  imaps: ['frontend'],
  pop3: ['frontend'],
  pop3s: ['frontend'],
  admin: ['frontend', 'mx', 'backend'],
};

/** For protocols of clients on the Internet. */
const outerZone = 'outer';

/**
 * The nodes that take a protocol's connections, draining ones too. Where there is an outer zone, what the Internet speaks
 * goes there and nowhere else, also what no node there speaks: the inner nodes are behind it for a reason.
 */
export function nodesFor(cluster: BalancedCluster, protocol: BalancedProtocol): BalancedNode[] {
  const nodes = cluster.nodes.filter(
    ({ listeners, roles }) =>
      listeners[protocol] !== undefined && roles.some((role) => rolesOf[protocol].includes(role)),
  );
  if (protocol === 'lmtp' || protocol === 'admin') return nodes.filter(({ zone }) => zone !== outerZone);
  const hasOuter = cluster.nodes.some(({ zone }) => zone === outerZone);
  return hasOuter ? nodes.filter(({ zone }) => zone === outerZone) : nodes;
}
