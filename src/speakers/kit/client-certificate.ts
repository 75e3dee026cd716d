// Whom a client's certificate names (RFC 5280 4.2.1.6): its rfc822Names, or its common name when it has none. Pure.
// Invariant: nothing is told of a certificate that the configured authorities did not sign, or that has expired.

import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

/** Nobody has as many addresses in one certificate; each is looked up. */
const namesMax = 16;

const nobody: readonly string[] = [];

/** Of the verified certificate that the client showed; none without one. */
export function clientNamesOf(socket: TLSSocket): readonly string[] {
  const certificate = socket.getPeerX509Certificate();
  return certificate !== undefined && isVerified(socket) ? namesOf(certificate) : nobody;
}

/** `authorized` is set by tls.Server only, which does not own our sockets; this is what it asks. */
function isVerified(socket: TLSSocket): boolean {
  const { ssl } = socket as TLSSocket & { readonly ssl?: { verifyError?(): Error | null | undefined } };
  return ssl?.verifyError !== undefined && !ssl.verifyError();
}

function namesOf(certificate: X509Certificate): readonly string[] {
  const names: string[] = [];
  // Node writes names with a comma in them quoted and escaped: no name can pretend to be two.
  for (const entry of (certificate.subjectAltName ?? '').split(', ')) {
    const name = /^email:([^"].*)$/.exec(entry)?.[1];
    if (name !== undefined) names.push(name);
  }
  if (names.length > 0) return names.slice(0, namesMax);
  const commonName: unknown = certificate.toLegacyObject().subject.CN;
  return typeof commonName === 'string' ? [commonName] : [];
}
