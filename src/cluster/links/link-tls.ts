// TLS of links: version 1.3, both ends prove that they are members of the cluster by a certificate of its authority
// whose common name is the node's name. Nothing is said before.
// Fails closed: a certificate without a name that can be a node's is no member's.

import { constants } from 'node:crypto';
import type { ConnectionOptions, PeerCertificate, TlsOptions } from 'node:tls';
import type { NodeId } from '../../mail/ids.ts';
import type { LinkCredentials } from '../link-credentials.ts';

export const linkProtocolName = 'rookery-link';

/** The quick one first; both ends have it. */
const ciphers = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';
const nodeNamePattern = /^[a-z0-9-]{1,63}$/;

function commonTlsOptions(credentials: LinkCredentials) {
  return {
    ca: [...credentials.authorities],
    cert: credentials.certificate,
    key: credentials.key,
    minVersion: 'TLSv1.3' as const,
    ciphers,
    ALPNProtocols: [linkProtocolName],
    // A resumed session would be proven by a certificate and a key of before, whatever became of them since.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** What a server needs; `setSecureContext` takes it too. */
export function serverTlsOptions(credentials: LinkCredentials): TlsOptions {
  return { ...commonTlsOptions(credentials), requestCert: true, rejectUnauthorized: true };
}

export function clientTlsOptions(credentials: LinkCredentials, node: NodeId): ConnectionOptions {
  return {
    ...commonTlsOptions(credentials),
    rejectUnauthorized: true,
    servername: node,
    checkServerIdentity: (_host, certificate) => {
      const name = nodeNameOf(certificate);
      if (name === node) return undefined;
      return new Error(`the certificate is that of ${name ?? 'nobody'}, not of ${node}`);
    },
  };
}

/** The node whose certificate it is; undefined when it names none. */
export function nodeNameOf(certificate: Partial<Pick<PeerCertificate, 'subject'>>): NodeId | undefined {
  const name: unknown = certificate.subject?.CN;
  return typeof name === 'string' && nodeNamePattern.test(name) ? (name as NodeId) : undefined;
}
