// Where other nodes reach this one: a TLS listener that takes members of the cluster only and hands what they ask to
// services by name. Between the workers of one machine it is a Unix socket instead (local-link.ts).
// Invariant: no byte is sent to, and none beyond the handshake is read from, a peer that has not proven its membership.
// Fails to open with a Fault when the port cannot be had; a link that fails ends alone.

import { type AddressInfo, createServer as createPlainServer, type Server, type Socket } from 'node:net';
import { createServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { BoundedCounts } from '../../base/bounded-counts.ts';
import { ByteBudget } from '../../base/byte-budget.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import type { NodeId } from '../../mail/ids.ts';
import { certificateKeyDigest } from '../authority/certificates.ts';
import { HalfOpenConnections } from '../half-open-connections.ts';
import type { LinkCredentials } from '../link-credentials.ts';
import { ToldRefusals } from '../told-refusals.ts';
import type { LinkVersions } from './hello.ts';
import { PeerRoom } from './incoming-room.ts';
import { type LinkLimits, linkLimitsDefault } from './link-limits.ts';
import { linkProtocolName, nodeNameOf, serverTlsOptions } from './link-tls.ts';
import { createLocalServer, type LocalLinks, listenLocally } from './local-link.ts';
import { OutgoingRoom, OutgoingTotal } from './outgoing-room.ts';
import { PeerWork } from './peer-work.ts';
import { type LinkService, ServingLink } from './serving-link.ts';

/** Who calls, as its certificate says. */
export interface LinkPeer {
  readonly node: NodeId;
  /** Undefined: the certificate names none. */
  readonly zone: string | undefined;
  /** See certificateKeyDigest. */
  readonly keyDigest: string;
}

export interface LinkServerOptions {
  readonly credentials: LinkCredentials;
  readonly address: { readonly host: string; readonly port: number };
  /** Listens here instead. */
  readonly local?: LocalLinks | undefined;
  readonly services: ReadonlyMap<string, LinkService>;
  /** Other services than `services` for some peers, of whose doings nothing is taken on trust; undefined: those. */
  readonly servicesFor?: (peer: LinkPeer) => ReadonlyMap<string, LinkService> | undefined;
  /**
   * Whether the peer, whose certificate is still good, has lost its name, to another or to nobody; asked for each link, and now
   * and then while it lasts. Undefined: no peer has.
   */
  readonly isReplaced?: (peer: LinkPeer) => Promise<boolean>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits?: Partial<LinkLimits>;
  /** Other than this program speaks: for tests of mixed versions. */
  readonly versions?: LinkVersions;
}

/** How long the link of a node lasts whose name was given to another. */
const replacedCheckMs = 10_000;
/** How often a server that drains looks whether it may close. */
const drainPollMs = 10;

/** What a peer of the outer zone has, over all of its links. */
interface OuterPeer {
  readonly incoming: PeerRoom;
  readonly outgoing: OutgoingRoom;
}

export class LinkServer implements AsyncDisposable {
  readonly #options: LinkServerOptions;
  readonly #limits: LinkLimits;
  readonly #refusals: ToldRefusals;
  readonly #incoming: ByteBudget;
  /** What peers that have services of their own have together. */
  readonly #outerIncoming: ByteBudget;
  readonly #outerOutgoing: OutgoingTotal;
  /** As many as nodes were enrolled. */
  readonly #outerPeers = new Map<NodeId, OuterPeer>();
  /** As many as nodes were enrolled. */
  readonly #work = new Map<NodeId, PeerWork>();
  readonly #links = new Set<ServingLink>();
  readonly #sockets = new Set<Socket>();
  /** Of each peer: its connections of which it is being asked whose name it is. */
  readonly #admitting = new BoundedCounts<NodeId>();
  readonly #halfOpen: HalfOpenConnections;
  /** Has what `#server` takes, and listens nowhere itself. */
  #tls: TlsServer | undefined;
  readonly #server: Server;
  #closing = false;

  private constructor(options: LinkServerOptions) {
    this.#options = options;
    this.#limits = Object.freeze({ ...linkLimitsDefault, ...options.limits });
    const { clock, log, local } = options;
    this.#refusals = new ToldRefusals(log, clock);
    const { incomingBytesMax, outerIncomingBytesMax, outerOutgoingBytesMax, ...limits } = this.#limits;
    this.#incoming = new ByteBudget(incomingBytesMax, clock);
    this.#outerIncoming = new ByteBudget(outerIncomingBytesMax, clock);
    this.#outerOutgoing = new OutgoingTotal(outerOutgoingBytesMax);
    this.#halfOpen = new HalfOpenConnections({
      limits: {
        connectionsMax: limits.halfOpenMax,
        perNetworkMax: limits.halfOpenPerNetworkMax,
        timeoutMs: limits.handshakeTimeoutMs,
      },
      clock,
      cut: (from) => this.#refused(from, undefined),
    });
    this.#server = local === undefined ? this.#createServer() : this.#createLocalServer(local);
    // Those that are not links yet have a bound of their own, and are not to keep the next one from being looked at.
    this.#server.maxConnections = limits.linksMax + (local === undefined ? 2 * limits.halfOpenMax : 0);
  }

  #createServer(): Server {
    const tls = createServer(serverTlsOptions(this.#options.credentials));
    this.#tls = tls;
    tls.on('secureConnection', (socket) => {
      this.#halfOpen.finished(socket);
      this.#accept(socket);
    });
    tls.on('tlsClientError', (error, socket) => {
      if (socket.remoteAddress !== undefined) this.#refused(socket.remoteAddress, error);
      // Node leaves some of them open.
      socket.destroy();
    });
    return createPlainServer({ noDelay: true }, (socket) => {
      if (this.#closing) socket.destroy();
      else if (this.#halfOpen.begin(socket)) tls.emit('connection', socket);
    });
  }

  /** `error` undefined: it never finished its handshake. */
  #refused(from: string, error: Error | undefined): void {
    const why = error === undefined ? 'its handshake was not done' : 'no member';
    this.#refusals.tell(from, 'warn', [{ err: error, from }, `a link was refused: ${why}`]);
  }

  #createLocalServer({ secret }: LocalLinks) {
    const { clock, log } = this.#options;
    const server = createLocalServer({
      secret,
      timeoutMs: this.#limits.handshakeTimeoutMs,
      clock,
      introduced: (socket, peer, rest) => {
        if (this.#closing) return void socket.destroy();
        this.#serve(socket, peer);
        if (rest.length > 0) socket.unshift(rest);
      },
      refused: () => log.warn('a link was refused: no worker of this run'),
    });
    // Also those that have not said who they are: closing does not wait for them.
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    return server;
  }

  /** Listens; rejects with a Fault. */
  static async open(options: LinkServerOptions): Promise<LinkServer> {
    const server = new LinkServer(options);
    if (options.local === undefined) await server.#listen(options.address);
    else await server.#listenLocally(options.local.path);
    server.#server.on('error', (error) => options.log.error({ err: error }, 'the link listener failed'));
    return server;
  }

  async #listen({ host, port }: LinkServerOptions['address']): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) => {
        const message = `cannot listen on ${host}:${port} for links: ${cause.message}`;
        reject(new Fault(message, { temporary: false, cause }));
      });
      this.#server.listen(port, host, resolve);
    });
  }

  async #listenLocally(path: string): Promise<void> {
    try {
      await listenLocally(this.#server, path);
    } catch (cause) {
      throw new Fault(`cannot listen at ${path} for links`, { temporary: false, cause });
    }
  }

  /** Where it listens: with the port that the system chose when 0 was asked for. */
  get address(): { readonly host: string; readonly port: number } {
    const { local, address } = this.#options;
    return local === undefined ? { ...address, port: this.port } : { host: local.path, port: 0 };
  }

  /** Not of a local one. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get links(): number {
    return this.#links.size;
  }

  /** New links are made with these; the ones there are go on. */
  renew(credentials: LinkCredentials): void {
    this.#tls?.setSecureContext(serverTlsOptions(credentials));
  }

  /** Ends every link, those with calls under way last and at the latest after `drainMs`. */
  async close(drainMs = 0): Promise<void> {
    const { clock } = this.#options;
    this.#closing = true;
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#halfOpen.close();
    for (const link of this.#links) link.goAway('this node stops');
    const until = clock.monotonic() + drainMs;
    while ([...this.#links].some((link) => !link.isQuiet) && clock.monotonic() < until) {
      await clock.sleep(drainPollMs);
    }
    for (const link of this.#links) link.close('this node stops');
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(socket: TLSSocket): void {
    socket.on('error', () => socket.destroy());
    // Its handshake was under way when the listener closed, which waits for it.
    if (this.#closing) {
      socket.destroy();
      return;
    }
    const peer = peerOf(socket);
    if (!socket.authorized || peer === undefined || socket.alpnProtocol !== linkProtocolName) {
      const from = socket.remoteAddress;
      const said = [{ from, peer: peer?.node }, 'a link was refused: no name, or another protocol'] as const;
      this.#refusals.tell(`${from}`, 'warn', said);
      socket.destroy();
      return;
    }
    void this.#admit(socket, peer);
  }

  /** Never rejects. */
  async #admit(socket: TLSSocket, peer: LinkPeer): Promise<void> {
    const { clock, servicesFor } = this.#options;
    const leave = (): void => {
      socket.destroy();
    };
    // It can have no more links than this; each question is one to the store.
    if (!this.#admitting.begin(peer.node, this.#limits.peerLinksMax)) return leave();
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    const isReplaced = await this.#isReplaced(peer);
    this.#admitting.end(peer.node);
    if (isReplaced !== false || this.#closing || this.#links.size >= this.#limits.linksMax) leave();
    if (socket.destroyed) return;
    this.#serve(socket, peer.node, servicesFor?.(peer));
    const check = (): Timer => clock.after(replacedCheckMs, () => void again());
    const again = async (): Promise<void> => {
      if (await this.#isReplaced(peer)) leave();
      if (!socket.destroyed) timer = check();
    };
    let timer = check();
    socket.on('close', () => timer.cancel());
  }

  /** Undefined: it cannot be told now. */
  async #isReplaced(peer: LinkPeer): Promise<boolean | undefined> {
    const { isReplaced } = this.#options;
    if (isReplaced === undefined) return false;
    const { node } = peer;
    try {
      const is = await isReplaced(peer);
      const why = 'a link was refused: the name of its node is not its own any more';
      if (is) this.#refusals.tell(`name ${node}`, 'warn', [{ peer: node }, why]);
      return is;
    } catch (error) {
      const why = 'whose link it is cannot be told now';
      this.#refusals.tell(`unknown ${node}`, 'warn', [{ err: error, peer: node }, why]);
      return undefined;
    }
  }

  #outerPeer(peer: NodeId): OuterPeer {
    let known = this.#outerPeers.get(peer);
    if (known === undefined) {
      known = {
        incoming: new PeerRoom(this.#outerIncoming, this.#limits, this.#options.clock),
        outgoing: new OutgoingRoom(this.#limits.outgoingBytesMax, this.#outerOutgoing),
      };
      this.#outerPeers.set(peer, known);
    }
    return known;
  }

  /** Of what is for all others, a peer of the outer zone has nothing. */
  #ownOf(peer: NodeId) {
    return {
      ...this.#outerPeer(peer),
      isOuter: true,
      tellFailure: (...told: Parameters<ToldRefusals['tell']>) => this.#refusals.tell(...told),
    };
  }

  #workOf(peer: NodeId): PeerWork {
    const { peerCallsMax, peerHeldMax } = this.#limits;
    const work = this.#work.get(peer) ?? new PeerWork({ callsMax: peerCallsMax, heldMax: peerHeldMax });
    this.#work.set(peer, work);
    return work;
  }

  #serve(socket: Socket, peer: NodeId, ownServices?: ReadonlyMap<string, LinkService>): void {
    this.#sockets.add(socket);
    const ofPeer = [...this.#links].filter((each) => each.peer === peer);
    if (ofPeer.length >= this.#limits.peerLinksMax) ofPeer[0]!.close('its peer has newer ones');
    const link = new ServingLink({
      socket,
      peer,
      clock: this.#options.clock,
      log: this.#options.log,
      limits: this.#limits,
      incoming: this.#incoming,
      services: this.#options.services,
      ...(ownServices && { services: ownServices, ...this.#ownOf(peer) }),
      work: this.#workOf(peer),
      ...(this.#options.versions && { versions: this.#options.versions }),
      closed: (ended) => {
        this.#links.delete(ended);
        this.#sockets.delete(socket);
      },
    });
    this.#links.add(link);
  }
}

/** Undefined: the certificate names no node. */
function peerOf(socket: TLSSocket): LinkPeer | undefined {
  const named = socket.getPeerCertificate();
  const node = nodeNameOf(named);
  const certificate = socket.getPeerX509Certificate();
  if (node === undefined || certificate === undefined) return undefined;
  const zone: unknown = named.subject.OU;
  return {
    node,
    zone: typeof zone === 'string' ? zone : undefined,
    keyDigest: certificateKeyDigest(certificate),
  };
}
