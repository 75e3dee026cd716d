// The configuration: one zod object, which checks the file, gives the defaults and generates docs/configuration.md.
// Each key's description says what it is for; `reload` in docs says whether SIGHUP takes a change over.
// Invariant: what loadConfig returns is complete and frozen; no other module reads files or the environment for settings.

import { z } from 'zod';
import { duration, listen, size } from './units.ts';

const listenSchema = z.strictObject({
  mx: listen('127.0.0.1:2525').describe('SMTP from the Internet (port 25 in production).'),
  submission: listen('127.0.0.1:2587').describe('SMTP submission with STARTTLS (587).'),
  submissions: listen('127.0.0.1:2465').describe('SMTP submission, TLS from the first byte (465).'),
  lmtp: listen('127.0.0.1:2424').describe(
    'LMTP, for another MTA on this site. Trusts its clients: keep it on loopback or a private network.',
  ),
  imap: listen('127.0.0.1:2143').describe('IMAP with STARTTLS (143).'),
  imaps: listen('127.0.0.1:2993').describe('IMAP, TLS from the first byte (993).'),
  pop3: listen('127.0.0.1:2110').describe('POP3 with STLS (110).'),
  pop3s: listen('127.0.0.1:2995').describe('POP3, TLS from the first byte (995).'),
  admin: listen('127.0.0.1:2080').describe('The admin API, /metrics, /healthz and /readyz, over HTTP.'),
  link: listen('127.0.0.1:2433').describe(
    'Other nodes of the cluster, by mutual TLS; opened only on a node of a cluster.',
  ),
  join: listen('127.0.0.1:2434').describe(
    'New nodes, which bring a join token; opened only on a node of a cluster. Says nothing while no token is out.',
  ),
});

const certificateSchema = z.strictObject({
  certificate: z.string().describe('PEM file: the certificate and the chain above it.'),
  key: z.string().describe('PEM file: the private key.'),
});

const tlsSchema = z.strictObject({
  certificates: z
    .array(certificateSchema)
    .default([])
    .describe(
      'Certificates, chosen by the name the client asks for (SNI); the first one is for clients that name none. Empty: a self-signed one is made in the data directory.',
    ),
  minimum_version: z
    .enum(['TLSv1.2', 'TLSv1.3'])
    .default('TLSv1.2')
    .describe('The oldest TLS version spoken.'),
  client_authorities: z
    .string()
    .optional()
    .describe(
      'PEM file of authorities. Clients that show a certificate of theirs for IMAP, POP3 or submission log in with it (SASL EXTERNAL), as the account whose address it has as rfc822Name, or else as common name. Read again on SIGHUP; not used by nodes of an outer zone.',
    ),
});

const limitsSchema = z.strictObject({
  message_size: size('50 MiB').describe('The largest message taken, by SMTP, LMTP and IMAP APPEND.'),
  intake_memory: size('256 MiB').describe(
    'Memory for messages on their way in, over all connections; beyond it senders wait, then are asked to come back.',
  ),
  account_memory: size('256 MiB').describe(
    'Memory for open accounts; beyond it the least recently used idle ones are closed.',
  ),
  connections: z.int().min(1).default(20_000).describe('Connections at a time for each protocol.'),
  connections_per_address: z
    .int()
    .min(1)
    .default(500)
    .describe('Connections at a time for each protocol from one remote address.'),
  recipients: z.int().min(1).default(1000).describe('Recipients of one message.'),
  smtp_idle: duration('5 min').describe(
    'An SMTP or LMTP client that says nothing for this long is cut off (RFC 5321 4.5.3.2.7).',
  ),
  imap_idle: duration('30 min').describe(
    'An IMAP client that says nothing for this long is logged out (RFC 9051 5.4: at least 30 min).',
  ),
  imap_messages: z
    .int()
    .min(1000)
    .optional()
    .describe(
      'The most messages that one IMAP command works on, told to clients as MESSAGELIMIT (RFC 9738). Programs that do not know it miss messages in larger mailboxes; without it there is no limit.',
    ),
  pop3_idle: duration('10 min').describe(
    'A POP3 client that says nothing for this long is cut off (RFC 1939 section 3: at least 10 min).',
  ),
  login_time: duration('1 min').describe('A client that has not logged in after this time is cut off.'),
  drain: duration('10 s').describe('After SIGTERM, running commands have this long to finish.'),
});

const authenticationSchema = z.strictObject({
  cleartext: z
    .enum(['never', 'loopback', 'always'])
    .default('loopback')
    .describe(
      'Where passwords may be sent without TLS. "loopback": only on listeners that are bound to a loopback address, and not behind a balancer (proxy_protocol_from).',
    ),
  failures_per_address: z
    .int()
    .min(1)
    .default(20)
    .describe(
      'Failed logins from one address (IPv6: one /64) within ten minutes before it is slowed down and refused.',
    ),
  failures_per_account: z
    .int()
    .min(1)
    .default(20)
    .describe('The same for one account; through one node of the outer zone, half as many.'),
  failures_per_frontend: z
    .int()
    .min(1)
    .default(2000)
    .describe(
      'The same for one node of the outer zone, whose word for the addresses of its clients is not believed further: beyond it only users come in there who logged in from their addresses within a day, beyond twice as many nobody. Counted by each node of the inner zone.',
    ),
  verified_cache: duration('10 min').describe(
    'How long a verified password is remembered (as a keyed digest) so that logins are cheap; "0 s" turns it off.',
  ),
});

const imapSchema = z.strictObject({
  raw_headers: z
    .enum(['refuse', 'accept'])
    .default('refuse')
    .describe(
      'Messages with 8-bit characters in their header that an IMAP client stores (APPEND) without having enabled UTF8=ACCEPT or IMAP4rev2. "refuse": as RFC 6855 demands. "accept": for moving old mail here with programs that enable neither (imapsync, mbsync, offlineimap). Either way every message that is stored here is shown as it came.',
    ),
  unauthenticate: z
    .enum(['on', 'off'])
    .default('on')
    .describe(
      'UNAUTHENTICATE (RFC 8437): a client logs out and keeps its connection, for another user to log in on. "off": not offered; for sites where something in front (a proxy, a firewall, its log) takes a connection for one user.',
    ),
});

export const administrationAreas = ['password', 'directory', 'mail', 'site'] as const;
export type AdministrationArea = (typeof administrationAreas)[number];

const submissionSchema = z.strictObject({
  check_from: z
    .enum(['account', 'off'])
    .default('account')
    .describe(
      '"account": a message that a user submits is refused (550 5.7.1) when its From names no address that he may send with, when its Sender is none of them, and when it has several authors without a Sender, or mail programs may read others in it than this server. His are the addresses of his account, sub-addresses, aliases that lead to it alone, and the addresses of accounts whose INBOX gives him the right p. "off": the header is not looked at; for users who bounce ("resend") mail of others, and programs that send in other names. Who sends is checked in the envelope (MAIL) either way.',
    ),
});

const administrationSchema = z.strictObject({
  outer_frontends: z
    .array(z.enum(administrationAreas))
    .default(['password', 'directory'])
    .describe(
      'What of the admin API is reached through nodes of the outer zone, by those who may. "password": users change their own. "directory": domains, accounts, aliases. "mail": messages, as an administrator sees them. "site": everything else, the cluster, the configuration and tokens among it.',
    ),
});

const postgresSchema = z.strictObject({
  durability: z
    .enum(['local', 'standby'])
    .default('local')
    .describe(
      '"local": mail is accepted when the server has it on disk. "standby": when a synchronous standby has it too; with none attached nothing is accepted.',
    ),
  allow_alone: z
    .boolean()
    .default(false)
    .describe('With durability "standby": go on accepting mail while no standby is attached.'),
  read_connections: z.int().min(1).max(100).default(4).describe('Connections for reading, for each node.'),
});

const clusterSchema = z.strictObject({
  address: z
    .string()
    .optional()
    .describe(
      'Where other nodes reach this one: "host:port", the port may be left out. Default: where `listen.link` listens.',
    ),
  roles: z
    .array(z.enum(['frontend', 'mx', 'backend']))
    .min(1)
    .default(['frontend', 'mx', 'backend'])
    .describe(
      'What this node does: "backend" hosts accounts, "frontend" speaks to clients, "mx" takes mail from the Internet.',
    ),
  weight: z
    .int()
    .min(0)
    .max(1000)
    .default(100)
    .describe(
      "This node's share beside the others' weights: of the accounts if it is a backend, of the clients behind a balancer.",
    ),
  zone: z
    .string()
    .regex(/^[a-z0-9-]{1,63}$/)
    .default('inner')
    .describe('The network zone this node stands in; "outer" is trusted less.'),
  links: z
    .int()
    .min(1)
    .max(10_000)
    .default(256)
    .describe('Links to other nodes that are kept open; the one unused for longest goes first.'),
});

const storageSchema = z.strictObject({
  engine: z
    .enum(['lmdb', 'postgres', 'memory'])
    .default('lmdb')
    .describe(
      '"lmdb": on disk under `data`, for one machine. "postgres": in PostgreSQL (`storage.url`), shared by the nodes of a cluster. "memory": gone when the server stops, for trials.',
    ),
  url: z
    .string()
    .optional()
    .describe(
      'PostgreSQL\'s address, as libpq writes it: "postgres://user:password@host1,host2/database". Of several hosts the one that takes writes is used. Not through a pooler that shares sessions.',
    ),
  postgres: postgresSchema.prefault({}).describe('PostgreSQL as the storage engine.'),
  blobs: z
    .enum(['auto', 'directory', 'engine'])
    .default('auto')
    .describe(
      'Where large messages lie. "directory": files in `storage.blob_directory`. "engine": in the storage engine. "auto": files with "lmdb", the engine with "postgres".',
    ),
  blob_directory: z
    .string()
    .optional()
    .describe(
      'The directory for blobs; nodes of a cluster must share it (NFS or a cluster file system). A file in it, `rookery-store`, says whose it is: a start is refused where that is missing or another store’s, as when the file system is not mounted. Default with "lmdb": `blobs` in the data directory.',
    ),
  reserve: size('64 MiB').describe(
    'Room left free on the file system: commits that would use it are refused as "storage full" (SMTP 452, IMAP NO [UNAVAILABLE]) until there is more.',
  ),
  compress_after: duration('1 d').describe(
    'Blobs older than this are compressed (zstd) in the background when it pays; recent mail stays raw, because it is read most.',
  ),
  compress: z.boolean().default(true).describe('Whether blobs are compressed at all.'),
  tombstones: z
    .int()
    .min(0)
    .default(10_000)
    .describe('How many expunged messages each mailbox remembers, for clients that resynchronise.'),
});

const logSchema = z.strictObject({
  level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('The least important events that are logged.'),
  format: z
    .enum(['auto', 'json', 'pretty'])
    .default('auto')
    .describe('"auto": pretty on a terminal, else one JSON line an event.'),
});

/** More would only be in each other's way: one process writes the store for all. */
export const workersMax = 64;

export const configSchema = z.strictObject({
  data: z
    .string()
    .default('./data')
    .describe('The directory that holds everything: store, blobs, self-signed certificate, admin socket.'),
  hostname: z
    .string()
    .default('localhost')
    .describe('The name of this server in greetings, Received fields and certificates.'),
  sub_address_separators: z
    .string()
    .default('+')
    .describe('Characters that separate a user from a detail: user+detail@domain.'),
  workers: z
    .union([z.enum(['auto']), z.int().min(1).max(workersMax)])
    .default('auto')
    .describe(
      'Worker processes over the embedded store, each a node that hosts its share of the accounts. "auto" is one for each core, as far as there is memory for them (256 MiB each), but a single process on machines with up to three cores, with PostgreSQL, and on nodes of a larger cluster. They share `limits.account_memory` and `limits.intake_memory`; limits of connections and of failed logins are for each of them.',
    ),
  listen: listenSchema.prefault({}).describe('Where to listen: "address:port", a list of them, or "off".'),
  proxy_protocol_from: z
    .array(z.string())
    .default([])
    .describe('Addresses or networks (CIDR) of balancers that announce clients by PROXY protocol v1 or v2.'),
  tls: tlsSchema.prefault({}).describe('Certificates and TLS versions.'),
  limits: limitsSchema.prefault({}).describe('Limits. Sizes as "50 MiB", durations as "30 min".'),
  authentication: authenticationSchema.prefault({}).describe('Logins.'),
  imap: imapSchema.prefault({}).describe('Mailboxes as mail programs see them.'),
  submission: submissionSchema.prefault({}).describe('Mail that users send.'),
  administration: administrationSchema.prefault({}).describe('The admin API.'),
  storage: storageSchema.prefault({}).describe('The storage engine.'),
  cluster: clusterSchema
    .prefault({})
    .describe(
      'This server as a node of a cluster, once `rookery cluster init` or `serve --join` made it one.',
    ),
  log: logSchema.prefault({}).describe('Logging.'),
});

export type Config = z.output<typeof configSchema>;
export type ListenerName = keyof Config['listen'];

/** Keys that a running server takes over on SIGHUP. */
const reloadableKeys = [
  'tls.certificates',
  'limits.connections',
  'limits.connections_per_address',
  'limits.message_size',
  'limits.recipients',
  'limits.smtp_idle',
  'limits.imap_idle',
  'limits.imap_messages',
  'limits.pop3_idle',
  'limits.login_time',
  'limits.drain',
  'log.level',
  'authentication',
  'imap',
  'submission',
  'administration',
] as const;

export function isReloadable(key: string): boolean {
  return reloadableKeys.some((entry) => key === entry || key.startsWith(`${entry}.`));
}

/** Keys whose values `config show` masks: by name, so that a new one is masked at once. */
export const secretKeyPattern = /(?:password|secret|token|storage\.url)$/;

/** For `limits.intake_memory`: a large message is held twice for a moment, while its pieces are put together. */
export function intakeMemoryMin({ limits }: Pick<Config, 'limits'>): number {
  return 2 * limits.message_size;
}
