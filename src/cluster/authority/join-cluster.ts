// The new node's side of joining, and of renewing. Invariant: the secret is sent only to a server whose certificate was
// issued by the authority whose fingerprint the token carries, for a node that is not of the outer zone: a stranger in
// between, or a frontend that was broken into, gets nothing it could use.
// Rejects with MailError authenticationFailed (not our cluster, not a valid token) or what the cluster refused with, and
// with a temporary Fault when it cannot be reached: then the same key may try again, and pays for one use only.

import { connect, type TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { NodeId } from '../../mail/ids.ts';
import { MailError, type MailErrorKind, mailErrorKinds } from '../../mail/mail-error.ts';
import type { LinkCredentials } from '../link-credentials.ts';
import type { Admission } from './authority-rows.ts';
import { certifiedNode, fingerprintOf, makeCertificateRequest, makeKey } from './certificates.ts';
import { outerZone } from './cluster-authority.ts';
import {
  answerSchema,
  helloSchema,
  type JoinAnswer,
  JoinChannel,
  joinAlpn,
  joinProtocolVersion,
  type NodePlace,
} from './join-protocol.ts';
import { parseJoinToken } from './join-token.ts';
import { parseNodeName } from './node-name.ts';

export interface ClusterAddress {
  readonly host: string;
  readonly port: number;
}

export interface JoinOptions {
  readonly node: string;
  readonly clock: Clock;
  /** PEM; keep it before joining, so that a retry after a crash is the same node. Without it one is made. */
  readonly key?: string;
}

export interface JoinedCluster extends Admission {
  readonly cluster: string;
  readonly credentials: LinkCredentials;
  /** How to reach the cell's engine; undefined for a node of the outer zone. */
  readonly storage?: Readonly<Record<string, unknown>>;
  /** Nodes that it may ask for what it cannot read in the engine, and where they are reached. */
  readonly nodes?: readonly NodePlace[];
}

const exchangeMs = 20_000;

export async function joinCluster(
  text: string,
  address: ClusterAddress,
  { node: name, clock, key = makeKey() }: JoinOptions,
): Promise<JoinedCluster> {
  const token = parseJoinToken(text);
  if (token === undefined) throw new MailError('invalidArgument', 'this is no whole join token');
  const node = parseNodeName(name);
  if (node === undefined)
    throw new MailError('invalidArgument', `a node's name is 1 to 63 characters of a-z, 0-9 and "-"`);
  const request = await makeCertificateRequest(node, key);
  const ask = {
    type: 'join',
    version: joinProtocolVersion,
    token: token.id,
    secret: token.secret,
    node,
    request,
  };
  const isTrusted = (certificate: string): boolean => fingerprintOf(certificate).equals(token.fingerprint);
  const answer = await exchange({ address, clock, isTrusted, ask });
  return joinedFrom(answer, { node, key, clock, isTrusted });
}

/** A new key and its certificate, from a node that has the engine. `credentials` are those that hold now. */
export async function renewCredentials(
  credentials: LinkCredentials,
  address: ClusterAddress,
  clock: Clock,
): Promise<LinkCredentials> {
  const { node } = credentials;
  const key = makeKey();
  const ask = {
    type: 'renew',
    version: joinProtocolVersion,
    request: await makeCertificateRequest(node, key),
  };
  const known = new Set(credentials.authorities.map((pem) => fingerprintOf(pem).toString('hex')));
  const isTrusted = (pem: string): boolean => known.has(fingerprintOf(pem).toString('hex'));
  const answer = await exchange({ address, clock, isTrusted, ask, identity: credentials });
  return joinedFrom(answer, { node, key, clock, isTrusted }).credentials;
}

interface Expected {
  readonly node: NodeId;
  readonly key: string;
  readonly clock: Clock;
  /** Whether an authority (PEM) is the one that we were told to trust. */
  readonly isTrusted: (certificate: string) => boolean;
}

function joinedFrom(answer: JoinAnswer, { node, key, isTrusted }: Expected): JoinedCluster {
  if (answer.type === 'refused') throw refusal(answer);
  const { cluster, roles, zone, certificate, authorities, storage, nodes } = answer;
  if (!authorities.some(isTrusted)) throw notOurs('its answer names other authorities');
  const credentials = { node, authorities, certificate, key };
  const told = { ...(storage === undefined ? {} : { storage }), ...(nodes === undefined ? {} : { nodes }) };
  return { cluster, roles, zone, credentials, ...told };
}

function refusal({ kind, message }: JoinAnswer & { type: 'refused' }): Error {
  if (kind === 'unavailable') return new Fault(message, { temporary: true });
  const isKnown = (mailErrorKinds as readonly string[]).includes(kind);
  return new MailError(isKnown ? (kind as MailErrorKind) : 'unavailable', message);
}

function notOurs(why: string): MailError {
  return new MailError('authenticationFailed', `this server is not of the token's cluster: ${why}`);
}

interface Exchange {
  readonly address: ClusterAddress;
  readonly clock: Clock;
  readonly isTrusted: (certificate: string) => boolean;
  readonly ask: object;
  readonly identity?: LinkCredentials;
}

async function exchange({ address, clock, isTrusted, ask, identity }: Exchange): Promise<JoinAnswer> {
  const socket = connect({
    ...address,
    ALPNProtocols: [joinAlpn],
    minVersion: 'TLSv1.3',
    // Who it is is checked below, against the fingerprint: no other authority on this machine matters.
    rejectUnauthorized: false,
    ...(identity === undefined ? {} : { cert: identity.certificate, key: identity.key }),
  });
  const timer = clock.after(exchangeMs, () => socket.destroy(new Error('no answer in time')));
  try {
    const channel = new JoinChannel(socket);
    const hello = await channel.receive(helloSchema).catch((cause: Fault) => {
      const place = `${address.host}:${address.port}`;
      const hint = 'is that listen.join of a node of the inner zone, and the join token still valid?';
      throw new Fault(`cannot join at ${place}: ${reasonOf(cause)}; ${hint}`, {
        temporary: cause.temporary,
        cause,
      });
    });
    if (!hello.versions.includes(joinProtocolVersion))
      throw new Fault(`the cluster joins by versions ${hello.versions.join(', ')}, this Rookery by 1`, {
        temporary: false,
      });
    checkServer(socket, hello.authorities.filter(isTrusted), clock.now());
    channel.send(ask);
    return await channel.receive(answerSchema);
  } finally {
    timer.cancel();
    socket.destroy();
  }
}

/** OpenSSL's own words tell nobody anything. */
function reasonOf({ message, cause }: Fault): string {
  const isOfTls = cause instanceof Error && 'code' in cause && String(cause.code).startsWith('ERR_SSL_');
  return isOfTls ? 'what listens there does not let machines join' : message.replace(/^joining: /, '');
}

function checkServer(socket: TLSSocket, trusted: readonly string[], now: number): void {
  if (trusted.length === 0) throw notOurs('it has another authority');
  const peer = socket.getPeerX509Certificate();
  const server = peer === undefined ? undefined : certifiedNode(peer, trusted, now);
  if (server === undefined) throw notOurs('its certificate is not of the authority it names');
  if (server.zone === outerZone) throw notOurs('it is a node of the outer zone, which may not enrol others');
}
