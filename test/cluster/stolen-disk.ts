// What whoever has the disk of an outer frontend tries against the inner nodes, each as a test of its own: all of it is refused,
// or gives what any frontend is given. The frontend itself may run meanwhile.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { certifiedNode, makeCertificateRequest, makeKey } from '../../src/cluster/authority/certificates.ts';
import { joinCluster } from '../../src/cluster/authority/join-cluster.ts';
import {
  answerSchema,
  helloSchema,
  JoinChannel,
  joinAlpn,
} from '../../src/cluster/authority/join-protocol.ts';
import { GrantKeys } from '../../src/cluster/frontend/grant-keys.ts';
import { openGrant, sealGrant } from '../../src/cluster/frontend/session-grant.ts';
import { decodeNode, nodeKey } from '../../src/cluster/membership/cluster-rows.ts';
import type { AccountId, NodeId } from '../../src/mail/ids.ts';
import { isMailError, type MailErrorKind } from '../../src/mail/mail-error.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { openPostgresEngine } from '../../src/storage/postgres/postgres-engine.ts';
import { addressOf, passwordOf } from '../server-process.ts';
import {
  accountIdOf,
  administrationAttacks,
  carriedRequest,
  setPassword,
  tokenWith,
} from './admin-requests.ts';
import type { ClusterProcesses } from './cluster-processes.ts';
import type { NodeProcess } from './node-process.ts';
import { outerToken, Thief, until } from './outer-node.ts';

const context = { service: 'imap', remoteAddress: '192.0.2.1', traceId: 'thief' };

interface StolenDisk {
  readonly cluster: ClusterProcesses;
  /** The frontend's data directory. */
  readonly data: string;
}

/** `cluster` has the accounts alice and bob. */
export async function tryWithStolenDisk(t: TestContext, { cluster, data }: StolenDisk): Promise<void> {
  await using thief = await Thief.of(data);
  const host = (await cluster.hostOf('alice'))!;
  const through = { host: host.host, port: host.server.ports.join };
  const other = await joinCluster(await outerToken(cluster), through, { node: 'gate', clock: systemClock });
  await using gate = new Thief(other.credentials);
  await using engine = await openPostgresEngine({
    url: cluster.storeUrl,
    clock: systemClock,
    log: silentLog,
  });
  const alice = await accountIdOf(cluster, 'alice');
  // What it was given: only so can the rest be worth trying.
  const grant = await logIn(thief, host, 'alice');
  await thief.account(host, alice, { method: 'listMailboxes', grant });
  const attempts = new Attempts({ t, cluster, thief, gate, engine, host, through, alice, grant });
  await attempts.withoutAGrant();
  await attempts.withAGrantOfAnother();
  await attempts.beyondTheSessionsService();
  await attempts.ofTheDirectory();
  await attempts.ofScram();
  await attempts.asAnAdministrator();
  await attempts.ofServicesOfInnerNodes();
  await attempts.ofTheAdminApi();
  await attempts.ofTheCluster();
  await attempts.ofMembership();
  await attempts.asAnotherNode();
  await attempts.afterThePasswordChanged();
}

/** Gives the grant of a session. */
async function logIn(by: Thief, host: NodeProcess, user: string, service = 'imap'): Promise<Uint8Array> {
  const credentials = { user: addressOf(user), password: passwordOf(user), authorizationId: '' };
  const given = { ...credentials, context: { ...context, service } };
  const granted = await by.call(host, { service: 'directory', method: 'verifyPassword', given });
  return (granted as { grant: Uint8Array }).grant;
}

interface AttemptsOptions {
  readonly t: TestContext;
  readonly cluster: ClusterProcesses;
  readonly thief: Thief;
  /** With the certificate of another outer frontend. */
  readonly gate: Thief;
  /** The cluster's own: to make grants that only look right, and to see what was written. */
  readonly engine: Engine;
  /** Of Alice. */
  readonly host: NodeProcess;
  /** Where nodes join. */
  readonly through: { readonly host: string; readonly port: number };
  readonly alice: string;
  /** Of a session of Alice's over IMAP. */
  readonly grant: Uint8Array;
}

class Attempts {
  readonly #with: AttemptsOptions;

  constructor(options: AttemptsOptions) {
    this.#with = options;
  }

  async #denied(what: string, tried: Promise<unknown>, kind: MailErrorKind): Promise<void> {
    await this.#with.t.test(what, () =>
      assert.rejects(tried, (error) => isMailError(error, kind) || assert.fail(`${error}`)),
    );
  }

  async withoutAGrant(): Promise<void> {
    const { thief, host, alice } = this.#with;
    await this.#denied(
      'opening an account without a grant',
      thief.account(host, alice, { method: 'open' }),
      'authenticationFailed',
    );
    await this.#denied(
      'reading an account without a grant',
      thief.account(host, alice, { method: 'listMailboxes' }),
      'authenticationFailed',
    );
  }

  async withAGrantOfAnother(): Promise<void> {
    const { cluster, thief, gate, engine, host, alice, grant } = this.#with;
    const bobsHost = (await cluster.hostOf('bob'))!;
    const bob = await accountIdOf(cluster, 'bob');
    const method = 'listMailboxes';
    await this.#denied(
      'with the grant of another account',
      thief.account(bobsHost, bob, { method, grant }),
      'authenticationFailed',
    );
    const key = await new GrantKeys({ engine, clock: systemClock, random: systemRandom }).newest();
    const claims = openGrant(grant, [key])!;
    const expired = sealGrant({ ...claims, expiresAt: systemClock.now() - 1 }, key);
    await this.#denied(
      'with a grant that has expired',
      thief.account(host, alice, { method, grant: expired }),
      'authenticationFailed',
    );
    const invented = sealGrant({ ...claims, account: bob as AccountId }, systemRandom.bytes(32));
    await this.#denied(
      'with a grant of its own making',
      thief.account(bobsHost, bob, { method, grant: invented }),
      'authenticationFailed',
    );
    const beat = heartbeat(['frontend']);
    for (const node of cluster.nodes) await gate.call(node, beat);
    await until(() =>
      logIn(gate, host, 'bob').then(
        () => true,
        () => false,
      ),
    );
    await this.#denied(
      'with the grant of another node',
      thief.account(bobsHost, bob, { method, grant: await logIn(gate, host, 'bob') }),
      'authenticationFailed',
    );
  }

  async beyondTheSessionsService(): Promise<void> {
    const { thief, host, alice } = this.#with;
    const beyond = {
      imap: ['remove', 'endSessions', 'setQuota', 'lockMaildrop', 'constructor'],
      pop3: ['listMailboxes', 'createMailbox', 'append', 'search', 'copy', 'storeFlags'],
      smtp: ['open', 'listMailboxes', 'openMailbox', 'readMessages', 'watch'],
    };
    for (const [service, methods] of Object.entries(beyond)) {
      const grant = await logIn(thief, host, 'alice', service);
      for (const method of methods)
        await this.#denied(
          `${method} in a session of ${service}`,
          thief.account(host, alice, { method, grant }),
          'permissionDenied',
        );
    }
  }

  async ofTheDirectory(): Promise<void> {
    const { cluster, thief, host, grant } = this.#with;
    const smtpGrant = await logIn(thief, host, 'alice', 'smtp');
    const bob = await accountIdOf(cluster, 'bob');
    const asked = { accountId: bob, address: { localPart: 'bob', domain: 'example.test' } };
    await this.#denied(
      'asking whose an address is without a session of theirs',
      thief.call(host, { service: 'directory', method: 'ownsAddress', given: asked, grant: smtpGrant }),
      'authenticationFailed',
    );
    const listing = ['accounts', 'domains', 'aliases', 'account', 'accountByAddress', 'appPasswords'];
    const changing = ['setPassword', 'addAccount', 'setAccount', 'addAppPassword', 'removeAccount', 'check'];
    for (const method of [...listing, ...changing])
      await this.#denied(
        `${method} of the directory`,
        thief.call(host, { service: 'directory', method, given: { limit: 1000 }, grant }),
        'permissionDenied',
      );
  }

  async ofScram(): Promise<void> {
    const { t, thief, host } = this.#with;
    const given = { user: addressOf('bob'), context };
    await this.#denied(
      'SCRAM verifiers',
      thief.call(host, { service: 'directory', method: 'scramVerifier', given }),
      'permissionDenied',
    );
    await t.test('a SCRAM challenge has no key in it', async () => {
      const told = await thief.call(host, { service: 'directory', method: 'scramChallenge', given });
      assert.deepEqual(Object.keys(told as object).sort(), ['iterations', 'nonce', 'salt']);
    });
    const proof = {
      ...given,
      authorizationId: '',
      clientFirst: `n=${addressOf('bob')},r=x`,
      clientNonce: 'x',
      nonce: 'of its own making',
      withoutProof: 'c=biws,r=x',
      proof: Buffer.alloc(32),
    };
    await this.#denied(
      'a SCRAM proof without the password',
      thief.call(host, { service: 'directory', method: 'proveScram', given: proof }),
      'authenticationFailed',
    );
  }

  async asAnAdministrator(): Promise<void> {
    const { cluster, thief, host } = this.#with;
    const [user, password] = [addressOf('boss'), passwordOf('boss')];
    const body = { address: user, password, administrator: true };
    await cluster.admin().call({ method: 'POST', path: '/api/accounts', body });
    await logIn(thief, host, 'boss');
    const acting = { user, password, authorizationId: addressOf('bob'), context };
    await this.#denied(
      'an administrator’s password for another account',
      thief.call(host, { service: 'directory', method: 'verifyPassword', given: acting }),
      'authenticationFailed',
    );
  }

  async ofServicesOfInnerNodes(): Promise<void> {
    const { thief, host, grant } = this.#with;
    for (const service of ['storage', 'engine', 'rows', 'sessions', 'membership', 'admin'])
      await this.#denied(
        `rows by a service "${service}"`,
        thief.call(host, { service, method: 'get', given: ['cluster'], grant }),
        'notSupported',
      );
  }

  async ofTheAdminApi(): Promise<void> {
    const { t, cluster, thief, host, grant } = this.#with;
    const service = 'administration';
    const carried = carriedRequest('GET /api/accounts');
    await this.#denied(
      'administration as the operator',
      thief.call(host, { service, method: 'request', given: { ...carried, isOperator: true } }),
      'permissionDenied',
    );
    for (const method of ['inject', 'answer', 'constructor'])
      await this.#denied(
        `${method} of administration`,
        thief.call(host, { service, method, given: carried, grant }),
        'permissionDenied',
      );
    const token = await tokenWith(cluster, 'read', 'write:accounts', 'operate');
    const seen = { token, grant: Buffer.from(grant).toString('base64url'), address: addressOf('bob') };
    for (const { line, fields, body, status } of administrationAttacks(seen))
      await t.test(`${line} ${fields.authorization?.slice(0, 12) ?? ''}`, async () => {
        const given = carriedRequest(line, fields, body);
        const told = await thief.call(host, { service, method: 'request', given, grant });
        assert.equal((told as { status: number }).status, status);
      });
  }

  async ofTheCluster(): Promise<void> {
    const { t, thief, host } = this.#with;
    for (const method of ['rows', 'entries', 'createJoinToken', 'tokens', 'authority', 'apply', 'remove'])
      await this.#denied(
        `${method} of the cluster`,
        thief.call(host, { service: 'cluster', method, given: {} }),
        'permissionDenied',
      );
    await t.test('its configuration says nothing of the store', async () => {
      const told = await thief.call(host, { service: 'cluster', method: 'configuration' });
      assert.ok(!JSON.stringify(told).includes('storage'));
    });
    await t.test('the places of shards name link addresses and nothing else', async () => {
      const told = (await thief.call(host, { service: 'cluster', method: 'places', given: {} })) as {
        table: { nodes: object[] };
      };
      for (const node of told.table.nodes) assert.deepEqual(Object.keys(node), ['node', 'host', 'port']);
      assert.ok(!JSON.stringify(told.table.nodes).includes('edge'));
    });
  }

  async ofMembership(): Promise<void> {
    const { t, cluster, gate, engine, host } = this.#with;
    await t.test('hosting accounts, by saying so', async () => {
      await gate.call(host, heartbeat(['backend', 'mx']));
      const row = decodeNode((await engine.get(nodeKey('gate' as NodeId)))!);
      assert.deepEqual([row.roles, row.zone], [['mx'], 'outer']);
      assert.equal((await cluster.status()).nodes.find(({ node }) => node === 'gate')?.shards, 0);
    });
    await t.test('a certificate is renewed for who asks, whoever the request names', async () => {
      const request = await makeCertificateRequest(host.name as NodeId, makeKey());
      const asked = { service: 'cluster', method: 'renewCertificate', given: { request } };
      const { certificate } = (await gate.call(host, asked)) as { certificate: string };
      const { authorities } = gate.credentials;
      const issued = certifiedNode(new X509Certificate(certificate), authorities, systemClock.now());
      assert.deepEqual(issued, { node: 'gate', zone: 'outer' });
    });
  }

  async asAnotherNode(): Promise<void> {
    const { t, cluster, thief, host, alice, through } = this.#with;
    await t.test('being another node', async () => {
      await using liar = new Thief({ ...thief.credentials, node: host.name as NodeId });
      await assert.rejects(liar.account(host, alice, { method: 'listMailboxes' }), (error) =>
        isMailError(error, 'authenticationFailed'),
      );
    });
    await t.test('joining as another node, and the database’s settings', async () => {
      const request = await makeCertificateRequest(host.name as NodeId, makeKey());
      const renewed = await joinExchange(thief, through, { type: 'renew', version: 1, request });
      assert.ok(renewed.type === 'certified');
      assert.equal(renewed.zone, 'outer');
      assert.ok(!JSON.stringify(renewed).includes(new URL(cluster.storeUrl).pathname.slice(1)));
      assert.equal(renewed.storage, undefined);
      await using again = new Thief({ ...thief.credentials, node: host.name as NodeId });
      await assert.rejects(again.call(host, { service: 'storage', method: 'get' }));
      const token = { type: 'join', version: 1, token: 'a', secret: 'b', node: 'node1', request };
      const joined = await joinExchange(thief, through, token);
      assert.equal(joined.type, 'refused');
    });
  }

  async afterThePasswordChanged(): Promise<void> {
    const { cluster, thief, host, alice, grant } = this.#with;
    await setPassword(cluster, 'alice', 'changed after the theft');
    await this.#denied(
      'the grant it had, once the password is changed',
      thief.account(host, alice, { method: 'listMailboxes', grant }),
      'authenticationFailed',
    );
    await this.#denied(
      'renewing that grant',
      thief.call(host, { service: 'directory', method: 'renewGrant', grant }),
      'authenticationFailed',
    );
    await setPassword(cluster, 'alice', passwordOf('alice'));
  }
}

function heartbeat(roles: readonly string[]) {
  const given = {
    incarnation: systemRandom.identifier(16),
    roles,
    host: '127.0.0.9',
    linkVersions: { min: 1, max: 1 },
    softwareVersion: 'stolen',
    listeners: [],
    sessions: 0,
    isLeaving: false,
  };
  return { service: 'cluster', method: 'heartbeat', given };
}

async function joinExchange(thief: Thief, at: { host: string; port: number }, ask: object) {
  const { certificate, key } = thief.credentials;
  const socket: TLSSocket = connect({
    ...at,
    ALPNProtocols: [joinAlpn],
    rejectUnauthorized: false,
    cert: certificate,
    key,
  });
  await once(socket, 'secureConnect');
  const channel = new JoinChannel(socket);
  await channel.receive(helloSchema);
  channel.send(ask);
  const answer = await channel.receive(answerSchema);
  socket.destroy();
  return answer;
}
