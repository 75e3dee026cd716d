// Where other nodes reach this one: a TLS listener that takes members of the cluster only and hands what they ask to
// services by name.
// Invariant: no byte is sent to, and none beyond the handshake is read from, a peer that has not proven its membership.
// Fails to open with a Fault when the port cannot be had; a link that fails ends alone.

import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { ByteBudget } from '../../base/byte-budget.ts';
import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import type { NodeId } from '../../mail/ids.ts';
import { certificateKeyDigest } from '../authority/certificates.ts';
import type { LinkCredentials } from '../link-credentials.ts';
import type { LinkVersions } from './hello.ts';
import { type LinkLimits, linkLimitsDefault } from './link-limits.ts';
import { linkProtocolName, nodeNameOf, serverTlsOptions } from './link-tls.ts';
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
  readonly services: ReadonlyMap<string, LinkService>;
  /** Other services than `services` for some peers; undefined: those. */
  readonly servicesFor?: (peer: LinkPeer) => ReadonlyMap<string, LinkService> | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits?: Partial<LinkLimits>;
  /** Other than this program speaks: for tests of mixed versions. */
  readonly versions?: LinkVersions;
}

/** How often a server that drains looks whether it may close. */
const drainPollMs = 10;

export class LinkServer implements AsyncDisposable {
  readonly #options: LinkServerOptions;
  readonly #limits: LinkLimits;
  readonly #incoming: ByteBudget;
  readonly #links = new Set<ServingLink>();
  readonly #sockets = new Set<TLSSocket>();
  readonly #server: Server;
  #closing = false;

  private constructor(options: LinkServerOptions) {
    this.#options = options;
    this.#limits = Object.freeze({ ...linkLimitsDefault, ...options.limits });
    this.#incoming = new ByteBudget(this.#limits.incomingBytesMax, options.clock);
    this.#server = createServer({
      ...serverTlsOptions(options.credentials),
      handshakeTimeout: this.#limits.handshakeTimeoutMs,
      noDelay: true,
    });
    this.#server.maxConnections = this.#limits.linksMax;
    this.#server.on('secureConnection', (socket) => this.#accept(socket));
    this.#server.on('tlsClientError', (error, socket) => {
      options.log.warn({ err: error, from: socket.remoteAddress }, 'a link was refused: no member');
    });
  }

  /** Listens; rejects with a Fault. */
  static async open(options: LinkServerOptions): Promise<LinkServer> {
    const server = new LinkServer(options);
    const { host, port } = options.address;
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', (cause) => {
        const message = `cannot listen on ${host}:${port} for links: ${cause.message}`;
        reject(new Fault(message, { temporary: false, cause }));
      });
      server.#server.listen(port, host, resolve);
    });
    server.#server.on('error', (error) => options.log.error({ err: error }, 'the link listener failed'));
    return server;
  }

  /** The port, which the system chose when 0 was asked for. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get links(): number {
    return this.#links.size;
  }

  /** New links are made with these; the ones there are go on. */
  renew(credentials: LinkCredentials): void {
    this.#server.setSecureContext(serverTlsOptions(credentials));
  }

  /** Ends every link, those with calls under way last and at the latest after `drainMs`. */
  async close(drainMs = 0): Promise<void> {
    const { clock } = this.#options;
    this.#closing = true;
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
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

  #servicesFor(socket: TLSSocket, node: NodeId): ReadonlyMap<string, LinkService> {
    const { services, servicesFor } = this.#options;
    const certificate = socket.getPeerX509Certificate();
    if (servicesFor === undefined || certificate === undefined) return services;
    const zone: unknown = socket.getPeerCertificate().subject.OU;
    const peer = {
      node,
      zone: typeof zone === 'string' ? zone : undefined,
      keyDigest: certificateKeyDigest(certificate),
    };
    return servicesFor(peer) ?? services;
  }

  #accept(socket: TLSSocket): void {
    const { log } = this.#options;
    // Its handshake was under way when the listener closed, which waits for it.
    if (this.#closing) {
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    const peer = nodeNameOf(socket.getPeerCertificate());
    if (!socket.authorized || peer === undefined || socket.alpnProtocol !== linkProtocolName) {
      log.warn({ from: socket.remoteAddress, peer }, 'a link was refused: no name, or another protocol');
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const link = new ServingLink({
      socket,
      peer,
      clock: this.#options.clock,
      log,
      limits: this.#limits,
      incoming: this.#incoming,
      services: this.#servicesFor(socket, peer),
      ...(this.#options.versions && { versions: this.#options.versions }),
      closed: (ended) => {
        this.#links.delete(ended);
        this.#sockets.delete(socket);
      },
    });
    this.#links.add(link);
  }
}
