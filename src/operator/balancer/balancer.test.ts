import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import { isMailError } from '../../mail/mail-error.ts';
import { CommandFailure } from '../exit-codes.ts';
import {
  type BalancedCluster,
  type BalancedNode,
  type BalancedProtocol,
  nodesFor,
} from './balanced-cluster.ts';
import { addBalancerCommands } from './balancer-command.ts';
import { formatDns } from './dns.ts';
import { formatHaproxy } from './haproxy.ts';
import { formatKeepalived } from './keepalived.ts';

const listeners = { mx: 25, submissions: 465, imaps: 993, lmtp: 24, admin: 2080 };

function node(name: string, last: number, more: Partial<BalancedNode> = {}): BalancedNode {
  return {
    name,
    address: `10.0.0.${last}`,
    zone: 'inner',
    roles: ['frontend', 'mx', 'backend'],
    weight: 2,
    isDraining: false,
    listeners,
    ...more,
  };
}

const cluster: BalancedCluster = {
  hostname: 'mail.example.org',
  domains: ['example.org', 'example.com'],
  nodes: [node('one', 1), node('two', 2, { isDraining: true, weight: 1 })],
  balancers: [],
  floatingAddresses: [],
  idle: { imapMs: 30 * 60_000, pop3Ms: 10 * 60_000, smtpMs: 5 * 60_000 },
};
const withBalancers: BalancedCluster = {
  ...cluster,
  balancers: [
    { name: 'lb1', address: '10.0.0.11', interface: 'eth0' },
    { name: 'lb2', address: '10.0.0.12', interface: 'eth1' },
  ],
  floatingAddresses: [
    { address: '192.0.2.10', prefixLength: 24 },
    { address: '2001:db8::10', prefixLength: 64 },
  ],
};
const refused = (pattern: RegExp) => (error: unknown) =>
  isMailError(error, 'invalidArgument') && pattern.test(error.message);

/** The lines of a section, without comments. */
function sectionOf(text: string, name: string): string[] | undefined {
  const lines = text.split('\n');
  const start = lines.indexOf(name);
  if (start < 0) return undefined;
  const end = lines.indexOf('', start);
  return lines.slice(start + 1, end).map((line) => line.trim());
}

test('haproxy: one section a protocol, to the nodes that speak it, with the PROXY header and one check a node', () => {
  const text = formatHaproxy(cluster, { privateBind: '10.0.0.5' });
  assert.deepEqual(sectionOf(text, 'listen imaps'), [
    'bind :::993 v4v6',
    'timeout client 1860s',
    'timeout server 1860s',
    'balance source',
    'hash-type consistent sdbm avalanche',
    'hash-balance-factor 300',
    'default-server on-marked-down shutdown-sessions send-proxy-v2',
    'server one 10.0.0.1:993 track nodes/one weight 100',
    'server two 10.0.0.2:993 track nodes/two weight 50',
  ]);
  assert.deepEqual(sectionOf(text, 'listen mx'), [
    'bind :::25 v4v6',
    'timeout client 360s',
    'timeout server 360s',
    'balance leastconn',
    'default-server on-marked-down shutdown-sessions send-proxy-v2',
    'server one 10.0.0.1:25 track nodes/one weight 100',
    'server two 10.0.0.2:25 track nodes/two weight 50',
  ]);
  assert.deepEqual(sectionOf(text, 'backend nodes'), [
    'mode http',
    'timeout server 5s',
    'option httpchk',
    'http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host mail.example.org',
    'http-check expect error-status L7OKC status 200',
    'default-server check inter 1s fastinter 500ms downinter 1s rise 2 fall 3',
    'server one 10.0.0.1:2080',
    'server two 10.0.0.2:2080 # was draining when this was written; /readyz says when no more',
  ]);
  assert.deepEqual(sectionOf(text, 'listen admin')!.slice(0, 7), [
    'bind 10.0.0.5:2080',
    'timeout client 360s',
    'timeout server 360s',
    'mode http',
    'option httplog',
    'balance roundrobin',
    'default-server on-marked-down shutdown-sessions',
  ]);
  assert.ok(sectionOf(text, 'listen lmtp')!.includes('bind 10.0.0.5:24'));
  assert.equal(sectionOf(text, 'listen pop3s'), undefined);
  const unprivate = formatHaproxy(cluster);
  assert.equal(sectionOf(unprivate, 'listen lmtp') ?? sectionOf(unprivate, 'listen admin'), undefined);
});

test('haproxy: other ports, an address to reach the nodes from, and no word of who the clients are', () => {
  const ports = { imaps: 10_993, mx: 10_025, health: 18_405 };
  const text = formatHaproxy(cluster, { ports, source: '10.0.0.5', hasProxyHeader: false });
  assert.ok(sectionOf(text, 'listen imaps')!.includes('bind :::10993 v4v6'));
  assert.ok(sectionOf(text, 'listen mx')!.includes('bind :::10025 v4v6'));
  assert.ok(sectionOf(text, 'listen submissions')!.includes('bind :::465 v4v6'));
  assert.ok(sectionOf(text, 'frontend health')!.includes('bind 127.0.0.1:18405'));
  assert.ok(sectionOf(text, 'defaults')!.includes('source 10.0.0.5'));
  assert.doesNotMatch(text, /send-proxy/);
  assert.ok(!formatHaproxy(cluster).includes('    source '));
});

test('haproxy: the others may have all clients of the heaviest node, so that none goes to a dead one', () => {
  const boundOf = (...weights: number[]): string | undefined => {
    const nodes = weights.map((weight, index) => node(`n${index}`, index + 1, { weight }));
    const lines = sectionOf(formatHaproxy({ ...cluster, nodes }), 'listen imaps')!;
    return lines.find((line) => line.startsWith('hash-balance-factor'))?.split(' ')[1];
  };
  assert.equal(boundOf(1), undefined);
  assert.equal(boundOf(100, 0), undefined);
  assert.equal(boundOf(100, 100), '200');
  assert.equal(boundOf(100, 100, 100), '200');
  assert.equal(boundOf(100, 50, 50), '200');
  assert.equal(boundOf(300, 100, 100), '250');
  assert.equal(boundOf(100, 50), '300');
});

test('clients go to the outer zone where there is one, LMTP never; roles decide the rest', () => {
  const tiers: BalancedCluster = {
    ...cluster,
    nodes: [
      node('edge', 1, { zone: 'outer', roles: ['frontend'] }),
      node('gate', 2, { zone: 'outer', roles: ['mx'] }),
      node('core', 3, { roles: ['backend', 'frontend', 'mx'], listeners: { ...listeners, imap: 143 } }),
      node('quiet', 4, { roles: ['frontend'], listeners: { admin: 2080 } }),
    ],
  };
  const names = (protocol: BalancedProtocol): string[] => nodesFor(tiers, protocol).map(({ name }) => name);
  assert.deepEqual(names('imaps'), ['edge']);
  assert.deepEqual(names('mx'), ['gate']);
  assert.deepEqual(names('lmtp'), ['core']);
  assert.deepEqual(names('pop3'), []);
  // An inner node alone speaks it: nobody outside is to reach that.
  assert.deepEqual(names('imap'), []);
  assert.equal(sectionOf(formatHaproxy(tiers), 'listen imap'), undefined);
});

test('what could end a word or a line in a configuration is refused', () => {
  const wrong: [Partial<BalancedCluster>, RegExp][] = [
    [{ hostname: 'mail.example.org\nserver evil' }, /no domain name/],
    [{ nodes: [node('one', 1), node('one', 2)] }, /two nodes one/],
    [{ nodes: [node('one', 1, { address: 'db.example.org' })] }, /no IP address/],
    [{ nodes: [node('one two', 1)] }, /no name of a node/],
    [{ nodes: [node('one', 1, { weight: -1 })] }, /weight is 0 or more/],
    [{ nodes: [node('one', 1, { listeners: { imaps: 0, admin: 1 } })] }, /imaps is on no port/],
    [{ nodes: [node('one', 1, { listeners: { imaps: 993 } })] }, /must reach its admin listener/],
  ];
  for (const [more, pattern] of wrong)
    assert.throws(() => formatHaproxy({ ...cluster, ...more }), refused(pattern));
  assert.throws(() => formatHaproxy(cluster, { bind: ['*\n'] }), refused(/cannot stand/));
  assert.throws(() => formatHaproxy(cluster, { source: '10.0.0.5 usesrc client' }), refused(/cannot stand/));
  assert.throws(() => formatHaproxy(cluster, { connectionsMax: 0 }), refused(/number of connections/));
  assert.throws(() => formatHaproxy(cluster, { ports: { imaps: 70_000 } }), refused(/70000 is no port/));
  assert.throws(() => formatDns(cluster, { ports: { imaps: 0 } }), refused(/0 is no port/));
  assert.throws(
    () => formatKeepalived(withBalancers, { balancer: 'lb1', healthPort: 0 }),
    refused(/0 is no port/),
  );
});

test('keepalived: the preferred balancer has the higher priority, the others are its peers', () => {
  const first = formatKeepalived(withBalancers, { balancer: 'lb1' });
  const second = formatKeepalived(withBalancers, { balancer: 'lb2', routerId: 7, healthPort: 99 });
  for (const line of ['priority 200', 'unicast_src_ip 10.0.0.11', '        10.0.0.12', 'interface eth0'])
    assert.ok(first.includes(`${line}\n`), line);
  for (const line of [
    'priority 190',
    'virtual_router_id 7',
    '        192.0.2.10/24 dev eth1',
    'state BACKUP',
  ])
    assert.ok(second.includes(`${line}\n`), line);
  assert.match(second, /virtual_ipaddress_excluded \{\n {8}2001:db8::10\/64 dev eth1\n {4}\}/);
  assert.match(second, /script ".*http:\/\/127\.0\.0\.1:99\/healthz"/);
  assert.throws(() => formatKeepalived(withBalancers, { balancer: 'lb3' }), refused(/no balancer "lb3"/));
  assert.throws(() => formatKeepalived(cluster, { balancer: 'lb1' }), refused(/no balancer/));
});

test('dns: floating addresses first, else the balancers, else the nodes that do not drain', () => {
  const records = (text: string): string[] =>
    text.split('\n').flatMap((line) => (/^[^;]/.test(line) ? [line.replaceAll(/ +/g, ' ')] : []));
  const floating = records(formatDns(withBalancers));
  assert.deepEqual(floating.slice(0, 3), [
    'mail.example.org. 300 IN A 192.0.2.10',
    'mail.example.org. 300 IN AAAA 2001:db8::10',
    'example.org. 300 IN MX 10 mail.example.org.',
  ]);
  assert.ok(floating.includes('_imaps._tcp.example.org. 300 IN SRV 0 1 993 mail.example.org.'));
  assert.ok(floating.includes('_imap._tcp.example.com. 300 IN SRV 0 0 0 .'));
  assert.ok(floating.includes('_submissions._tcp.example.com. 300 IN SRV 0 1 465 mail.example.org.'));
  assert.ok(floating.includes('autoconfig.example.com. 300 IN CNAME mail.example.org.'));
  const elsewhere = records(formatDns(withBalancers, { ports: { imaps: 10_993, imap: 10_143 } }));
  assert.ok(elsewhere.includes('_imaps._tcp.example.org. 300 IN SRV 0 1 10993 mail.example.org.'));
  assert.ok(elsewhere.includes('_imap._tcp.example.org. 300 IN SRV 0 0 0 .'));
  const balancers = records(formatDns({ ...withBalancers, floatingAddresses: [] }));
  assert.deepEqual(balancers.slice(0, 2), [
    'mail.example.org. 300 IN A 10.0.0.11',
    'mail.example.org. 300 IN A 10.0.0.12',
  ]);
  const nodes = [
    node('one', 1, { roles: ['frontend'], publicAddresses: ['192.0.2.1', '2001:db8::1'] }),
    node('two', 2, { roles: ['frontend'], isDraining: true }),
    node('three', 3, { roles: ['mx'] }),
    node('four', 4, { roles: ['frontend'], weight: 0 }),
  ];
  const direct = records(formatDns({ ...cluster, nodes }, { ttlSeconds: 60 }));
  assert.deepEqual(direct.slice(0, 4), [
    'mail.example.org. 60 IN A 192.0.2.1',
    'mail.example.org. 60 IN AAAA 2001:db8::1',
    'mx.mail.example.org. 60 IN A 10.0.0.3',
    'example.org. 60 IN MX 10 mx.mail.example.org.',
  ]);
  const leaving = nodes.map((each) => ({ ...each, isDraining: true }));
  assert.deepEqual(records(formatDns({ ...cluster, nodes: leaving }, { ttlSeconds: 60 })).slice(0, 4), [
    'mail.example.org. 60 IN A 192.0.2.1',
    'mail.example.org. 60 IN AAAA 2001:db8::1',
    'mail.example.org. 60 IN A 10.0.0.2',
    'mx.mail.example.org. 60 IN A 10.0.0.3',
  ]);
  assert.throws(() => formatDns({ ...cluster, nodes: [] }), refused(/no node takes clients/));
});

test('the commands print them, and options name balancers the cluster does not know', async () => {
  const run = async (...words: string[]): Promise<string> => {
    const program = new Command('rookery').option('--data <dir>', '', './data').exitOverride();
    addBalancerCommands(program, async () => cluster);
    const written: string[] = [];
    const write = process.stdout.write;
    process.stdout.write = (text) => {
      written.push(String(text));
      return true;
    };
    try {
      await program.parseAsync(['balancer', ...words], { from: 'user' });
    } finally {
      process.stdout.write = write;
    }
    return written.join('');
  };
  assert.equal(
    await run('haproxy', '--user', 'none', '--connections', '10', '--bind', '192.0.2.1', '--bind', '::1'),
    formatHaproxy(cluster, { user: null, connectionsMax: 10, bind: ['192.0.2.1', '::1'] }),
  );
  const ports = ['--port', 'imaps=10993', '--port', 'health=18405'];
  assert.equal(
    await run('haproxy', ...ports, '--source', '10.0.0.5', '--no-proxy-header'),
    formatHaproxy(cluster, {
      ports: { imaps: 10_993, health: 18_405 },
      source: '10.0.0.5',
      hasProxyHeader: false,
    }),
  );
  const balancer = ['--balancer', 'lb1=10.0.0.11', '--balancer', 'lb2=10.0.0.12'];
  const floating = ['--floating', '192.0.2.10/24', '--floating', '2001:db8::10/64'];
  const onEth0 = withBalancers.balancers.map((each) => ({ ...each, interface: 'eth0' }));
  assert.equal(
    await run('keepalived', 'lb2', ...balancer, ...floating, '--health-port', '18405'),
    formatKeepalived({ ...withBalancers, balancers: onEth0 }, { balancer: 'lb2', healthPort: 18_405 }),
  );
  assert.equal(
    await run('dns', ...floating, '--ttl', '60', '--port', 'imaps=10993'),
    formatDns(withBalancers, { ttlSeconds: 60, ports: { imaps: 10_993 } }),
  );
  await assert.rejects(run('keepalived', 'lb1'), (error) => error instanceof CommandFailure);
});
