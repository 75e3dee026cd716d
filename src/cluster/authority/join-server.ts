// The cluster's side of joining: one exchange a connection, with whoever reaches the join listener by ALPN `rookery-join`,
// certificate or not. While no token is out, strangers hear nothing at all. Invariants: connections are bounded in time, and in
// number for each network, each node and in all, whatever the other side does, and strangers leave members some; a wrong,
// expired, used up or throttled token gets the same answer; database settings go to no node of the outer zone. `serve` never
// rejects: what goes wrong is logged, the client is told no more than it must know.

import { createServer as createPlainServer } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { BoundedCounts } from '../../base/bounded-counts.ts';
import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import { networkOf } from '../../base/network-of.ts';
import { LoginThrottle } from '../../directory/throttle.ts';
import { isMailError, MailError } from '../../mail/mail-error.ts';
import { HalfOpenConnections } from '../half-open-connections.ts';
import type { LinkCredentials } from '../link-credentials.ts';
import { ToldRefusals } from '../told-refusals.ts';
import { certificateKeyDigest, certifiedNode } from './certificates.ts';
import {
  type Certified,
  type ClusterAuthority,
  outerZone,
  type PresentCertificate,
} from './cluster-authority.ts';
import {
  type JoinAnswer,
  JoinChannel,
  type JoinRequest,
  joinAlpn,
  joinProtocolVersion,
  type NodePlace,
  nodePlacesMax,
  requestSchema,
} from './join-protocol.ts';

export interface JoinServerOptions {
  readonly authority: ClusterAuthority;
  /** How a node of the inner zones reaches the cell's engine: its `storage` settings. */
  readonly storage: () => Readonly<Record<string, unknown>>;
  /** Nodes with the engine that are up, for those that have none. */
  readonly nodes?: () => readonly NodePlace[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** Machines are added a few at a time; more is a flood. Each may hold a frame in memory. */
const exchangesMax = 64;
/** Of these, those that show no member's certificate: renewals find a place beside them. */
const strangersMax = 48;
/** Of these, from one network: the machines of a rack, behind one address. */
const perNetworkMax = 16;
/** Of one member: it renews once in two months. */
const perNodeMax = 4;
/** A few round trips and a commit. */
const exchangeMs = 15_000;
/** A handshake is two of these round trips. */
const halfOpenLimits = { connectionsMax: 256, perNetworkMax: 32, timeoutMs: 5_000 };
/** A person mistypes; a program guesses. The secret has 160 bits: this only keeps the noise down. */
const throttleLimits = { failuresPerAddress: 10, failuresPerAccount: 50 };

export class JoinServer {
  readonly #options: JoinServerOptions;
  readonly #throttle: LoginThrottle;
  readonly #refusals: ToldRefusals;
  readonly #exchanges = new BoundedCounts();

  constructor(options: JoinServerOptions) {
    this.#options = options;
    this.#throttle = new LoginThrottle(options.clock, throttleLimits);
    this.#refusals = new ToldRefusals(options.log, options.clock);
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  /** Serves one connection whose handshake is done, and ends it. */
  async serve(socket: TLSSocket): Promise<void> {
    const { clock, log } = this.#options;
    const remoteAddress = socket.remoteAddress ?? '';
    socket.on('error', () => {}); // the channel tells of it, if there is one by then
    const hasPlace = (of: string, max: number): boolean => {
      if (socket.destroyed) return false; // it has told of its end
      const isFree = this.#exchanges.begin(of, max);
      // Who got its answer and does not hang up keeps its place until it is cut.
      if (isFree) socket.once('close', () => this.#exchanges.end(of));
      else socket.destroy();
      return isFree;
    };
    if (!hasPlace(`network ${networkOf(remoteAddress)}`, perNetworkMax) || !hasPlace('all', exchangesMax))
      return;
    // Beyond the exchange: who got its answer and does not hang up would keep its place at the listener.
    const timer = clock.after(exchangeMs, () => socket.destroy());
    socket.once('close', () => timer.cancel());
    try {
      const channel = new JoinChannel(socket);
      const { authority } = this.#options;
      const authorities = await authority.certificates();
      const present = this.#presentCertificate(socket, authorities);
      if (present === undefined && !(await authority.awaitsNodes())) {
        const what = 'a stranger wants to join while no join token is valid';
        this.#refusals.tell(remoteAddress, 'info', [{ remoteAddress }, what]);
        socket.destroy();
        return;
      }
      if (!(present ? hasPlace(`node ${present.node}`, perNodeMax) : hasPlace('strangers', strangersMax)))
        return;
      channel.send({ versions: [joinProtocolVersion], authorities });
      const request = await channel.receive(requestSchema);
      const answer = await this.#answer(request, present, remoteAddress);
      channel.send(answer);
      socket.end();
      const outcome = answer.type === 'certified' ? 'certified' : answer.kind;
      log.info({ remoteAddress, request: request.type, outcome }, 'join request');
    } catch (error) {
      this.#refusals.tell(remoteAddress, 'info', [{ err: error, remoteAddress }, 'join exchange failed']);
      socket.destroy();
    }
  }

  /** A connection that did not finish its handshake in time, or made room for others. */
  neverFinished(remoteAddress: string): void {
    const what = 'a connection to the join port was cut: its handshake was not done';
    this.#refusals.tell(remoteAddress, 'info', [{ remoteAddress }, what]);
  }

  /** Without descriptors a connection is lost; the listener stays. */
  listenerFailed(error: Error): void {
    this.#options.log.error({ err: error }, 'the listener for joining nodes failed');
  }

  async #answer(
    request: JoinRequest,
    present: PresentCertificate | undefined,
    remoteAddress: string,
  ): Promise<JoinAnswer> {
    try {
      const certified =
        request.type === 'join'
          ? await this.#join(request, remoteAddress)
          : await this.#renew(request, present);
      return { type: 'certified', ...certified, ...this.#toldTo(certified) } as JoinAnswer;
    } catch (error) {
      if (isMailError(error)) return { type: 'refused', kind: error.kind, message: error.message };
      this.#options.log.error({ err: error, remoteAddress }, 'cannot answer a join request');
      return { type: 'refused', kind: 'unavailable', message: 'the cluster cannot do it now; try again' };
    }
  }

  async #join(request: JoinRequest & { type: 'join' }, remoteAddress: string): Promise<Certified> {
    const { token: id, secret, node, request: certificateRequest } = request;
    try {
      this.#throttle.check(id, { remoteAddress });
    } catch {
      // Not told: who guesses shall not know that guessing is noticed.
      throw new MailError('authenticationFailed', 'the join token is not valid');
    }
    try {
      return await this.#options.authority.redeem({ id, secret }, node, certificateRequest);
    } catch (error) {
      if (isMailError(error, 'authenticationFailed')) this.#throttle.failed(id, { remoteAddress });
      throw error;
    }
  }

  async #renew(
    { request }: JoinRequest & { type: 'renew' },
    present: PresentCertificate | undefined,
  ): Promise<Certified> {
    if (present === undefined) throw new MailError('permissionDenied', 'renewing needs a node’s certificate');
    return this.#options.authority.renew(present, request);
  }

  /** The handshake showed that the peer has its certificate's key; whose it is is checked here. */
  #presentCertificate(socket: TLSSocket, authorities: readonly string[]): PresentCertificate | undefined {
    const peer = socket.getPeerX509Certificate();
    const known = peer && certifiedNode(peer, authorities, this.#options.clock.now());
    return known && { node: known.node, publicKeyDigest: certificateKeyDigest(peer) };
  }

  #toldTo({ zone }: Certified): Pick<JoinAnswer & { type: 'certified' }, 'storage' | 'nodes'> {
    const { storage, nodes } = this.#options;
    if (zone !== outerZone) return { storage: { ...storage() } };
    return { nodes: [...(nodes?.() ?? [])].slice(0, nodePlacesMax) };
  }
}

export interface JoinListener extends AsyncDisposable {
  readonly port: number;
  /** New connections see these. */
  renew(credentials: Pick<LinkCredentials, 'certificate' | 'key'>): void;
}

/** A listener for joining alone: links have one of their own, which takes members only. */
export async function listenForJoin(
  server: JoinServer,
  credentials: Pick<LinkCredentials, 'certificate' | 'key'>,
  place: { readonly host: string; readonly port: number },
): Promise<JoinListener> {
  const sockets = new Set<TLSSocket>();
  const cut = (remoteAddress: string): void => server.neverFinished(remoteAddress);
  const halfOpen = new HalfOpenConnections({ limits: halfOpenLimits, clock: server.clock, cut });
  // Has what the listener takes, and listens nowhere itself.
  const tls = createServer({
    cert: credentials.certificate,
    key: credentials.key,
    ALPNProtocols: [joinAlpn],
    minVersion: 'TLSv1.3',
    // Asked for, for renewals; a node that joins has none, and what it is worth the exchange decides.
    requestCert: true,
    rejectUnauthorized: false,
  });
  tls.on('tlsClientError', (_, socket) => socket.destroy()); // Node leaves some of them open
  tls.on('secureConnection', (socket) => {
    halfOpen.finished(socket);
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    void server.serve(socket);
  });
  const listener = createPlainServer((socket) => {
    if (halfOpen.begin(socket)) tls.emit('connection', socket);
  });
  // Those that are looked at and cut at once come on top.
  listener.maxConnections = 2 * (exchangesMax + halfOpenLimits.connectionsMax);
  await new Promise<void>((resolve, reject) => {
    listener.once('error', (cause) =>
      reject(
        new Fault(`cannot listen for joining nodes on ${place.host}:${place.port}`, {
          temporary: false,
          cause,
        }),
      ),
    );
    listener.listen(place.port, place.host, resolve);
  });
  listener.removeAllListeners('error');
  listener.on('error', (error) => server.listenerFailed(error));
  const address = listener.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : place.port,
    renew: ({ certificate: cert, key }) => tls.setSecureContext({ cert, key, minVersion: 'TLSv1.3' }),
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => {
        listener.close(() => resolve());
      });
      halfOpen.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
