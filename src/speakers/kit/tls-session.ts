// What a session may know of its TLS: version, cipher, name asked for, whom the client's certificate names, and channel
// bindings for SCRAM -PLUS.

import { hash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { clientNamesOf } from './client-certificate.ts';
import type { TlsInfo } from './connection.ts';

const exporterLabel = 'EXPORTER-Channel-Binding';
const exporterBytes = 32;

/** RFC 5929 4.1: the hash of the certificate's signature algorithm, MD5 and SHA-1 replaced by SHA-256. */
function endPointHashName(signatureAlgorithm: string | undefined): string {
  const found = /sha-?(384|512)/i.exec(signatureAlgorithm ?? '');
  return found === null ? 'sha256' : `sha${found[1]}`;
}

export class TlsSession implements TlsInfo {
  readonly #socket: TLSSocket;
  readonly clientNames: readonly string[];

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    this.clientNames = clientNamesOf(socket);
  }

  get protocol(): string {
    return this.#socket.getProtocol() ?? 'unknown';
  }

  get cipher(): string {
    return this.#socket.getCipher().name;
  }

  get serverName(): string | undefined {
    const name = (this.#socket as TLSSocket & { servername?: string | false }).servername;
    return name === false ? undefined : name;
  }

  channelBinding(type: 'tls-exporter' | 'tls-server-end-point' | 'tls-unique'): Uint8Array | undefined {
    if (type === 'tls-exporter') {
      // RFC 9266 2: with TLS 1.2 only under the extended master secret, which Node does not tell.
      if (this.protocol !== 'TLSv1.3') return undefined;
      return this.#socket.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0));
    }
    if (type === 'tls-server-end-point') {
      const certificate = this.#socket.getX509Certificate();
      if (certificate === undefined) return undefined;
      const { signatureAlgorithm } = certificate as typeof certificate & { signatureAlgorithm?: string };
      return hash(endPointHashName(signatureAlgorithm), certificate.raw, 'buffer');
    }
    // RFC 5929 3: the first Finished message; undefined in TLS 1.3, and the roles swap when a session is resumed.
    if (this.protocol === 'TLSv1.3') return undefined;
    return this.#socket.isSessionReused() ? this.#socket.getFinished() : this.#socket.getPeerFinished();
  }
}
