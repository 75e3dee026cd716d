// What a session may know of its TLS: version, cipher, name asked for, whom the client's certificate names, and channel
// bindings for SCRAM -PLUS. Taken once, after the handshake: OpenSSL's part of the session may be gone then.

import type { TLSSocket } from 'node:tls';
import { clientNamesOf } from './client-certificate.ts';
import type { TlsInfo } from './connection.ts';
import type { LoadedCertificate } from './tls-contexts.ts';

const exporterLabel = 'EXPORTER-Channel-Binding';
const exporterBytes = 32;

export class TlsSession implements TlsInfo {
  readonly protocol: string;
  readonly cipher: string;
  readonly serverName: string | undefined;
  readonly clientNames: readonly string[];
  readonly #certificate: LoadedCertificate;
  /** RFC 9266 for TLS 1.3, RFC 5929 3 for TLS 1.2: one char a byte, as it stays as long as the session. */
  readonly #binding: string | undefined;

  constructor(socket: TLSSocket, certificate: LoadedCertificate) {
    const { servername } = socket as TLSSocket & { servername?: string | false };
    this.protocol = socket.getProtocol() ?? 'unknown';
    this.cipher = socket.getCipher().name;
    this.serverName = servername === false ? undefined : servername;
    this.clientNames = clientNamesOf(socket);
    this.#certificate = certificate;
    this.#binding = this.#bindingOf(socket)?.toString('latin1');
  }

  channelBinding(type: 'tls-exporter' | 'tls-server-end-point' | 'tls-unique'): Uint8Array | undefined {
    if (type === 'tls-server-end-point') return this.#certificate.endPointHash;
    // RFC 9266 2: with TLS 1.2 only under the extended master secret, which Node does not tell. RFC 5929 3: not in TLS 1.3.
    const has = this.protocol === 'TLSv1.3' ? 'tls-exporter' : 'tls-unique';
    return type === has && this.#binding !== undefined ? Buffer.from(this.#binding, 'latin1') : undefined;
  }

  #bindingOf(socket: TLSSocket): Buffer | undefined {
    if (this.protocol === 'TLSv1.3')
      return socket.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0));
    // The first Finished message: the roles swap when a session is resumed.
    return socket.isSessionReused() ? socket.getFinished() : socket.getPeerFinished();
  }
}
