// The certificates that make a cluster: an authority that signs itself, and a node's, which it signs (EC P-256). Pure but
// for the library that writes them.
// Invariant: a node's certificate has the node's name as common name and as alternative name, its zone as organizational
// unit, and is no authority. What is in a request beside its key is not copied: the issuer decides.
// A request that is damaged, or whose signature is not of its own key, is refused with invalidArgument.

import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  X509Certificate,
} from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { NodeId } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import { parseNodeName } from './node-name.ts';

/** An authority's certificate and the key it signs with, both PEM. */
export interface AuthorityPair {
  readonly certificate: string;
  readonly key: string;
}

/** Whose a certificate is, by its subject. */
export interface CertifiedNode {
  readonly node: NodeId;
  readonly zone: string;
}

const dayMs = 86_400_000;
/** It ends with its cluster, or is replaced by the operator: a date that comes up by surprise helps nobody. */
const authorityDays = 20 * 365;
/** A stolen node's certificate is of no use after this; with renewal at two thirds a node may be away for a month. */
export const nodeCertificateDays = 90;
/** Clocks of machines differ; a certificate must hold where they are behind. */
const backdatedMs = 3_600_000;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** Loaded only when a certificate is made: the library is large, and needs this polyfill before it. */
async function loadLibrary() {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

/** A new private key, PEM. */
export function makeKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

function webKeys(key: string): CryptoKeyPair {
  const privateKey = createPrivateKey(key);
  return {
    privateKey: privateKey.toCryptoKey(algorithm, true, ['sign']),
    publicKey: createPublicKey(privateKey).toCryptoKey(algorithm, true, ['verify']),
  };
}

type CryptoKeyPair = { privateKey: CryptoKeyOf; publicKey: CryptoKeyOf };
type CryptoKeyOf = ReturnType<KeyObject['toCryptoKey']>;

/** RFC 5280 4.1.2.2: positive, at most 20 bytes. */
function serialNumber(random: Random): string {
  const bytes = random.bytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString('hex');
}

const pemLine = (pem: string): string => (pem.endsWith('\n') ? pem : `${pem}\n`);

export async function makeAuthority(
  cluster: string,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<AuthorityPair> {
  const x509 = await loadLibrary();
  const key = makeKey();
  const keys = webKeys(key);
  const now = clock.now();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(random),
    name: [{ CN: [`Rookery cluster ${cluster}`] }],
    notBefore: new Date(now - backdatedMs),
    notAfter: new Date(now + authorityDays * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: pemLine(certificate.toString('pem')), key };
}

/** A request (PKCS #10, PEM) signed with the node's key: it shows that who asks has the key. */
export async function makeCertificateRequest(node: NodeId, key: string): Promise<string> {
  const x509 = await loadLibrary();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [node] }],
    keys: webKeys(key),
    signingAlgorithm: algorithm,
  });
  return pemLine(request.toString('pem'));
}

/** The public key of a request (SubjectPublicKeyInfo, DER), its own signature checked. */
export async function keyOfRequest(request: string): Promise<Buffer> {
  const x509 = await loadLibrary();
  try {
    const parsed = new x509.Pkcs10CertificateRequest(request);
    const spki = Buffer.from(parsed.publicKey.rawData);
    const isP256 =
      createPublicKey({ key: spki, format: 'der', type: 'spki' }).asymmetricKeyDetails?.namedCurve ===
      'prime256v1';
    if (isP256 && (await parsed.verify())) return spki;
  } catch (cause) {
    throw new MailError('invalidArgument', 'the certificate request cannot be read', { cause });
  }
  throw new MailError('invalidArgument', 'the certificate request is not signed by its own P-256 key');
}

export interface IssueOptions extends CertifiedNode {
  /** SubjectPublicKeyInfo, DER: see keyOfRequest. */
  readonly publicKey: Buffer;
  readonly clock: Clock;
  readonly random: Random;
}

/** The node's certificate, PEM. */
export async function issueCertificate(authority: AuthorityPair, options: IssueOptions): Promise<string> {
  const x509 = await loadLibrary();
  const issuer = new x509.X509Certificate(authority.certificate);
  const publicKey = createPublicKey({ key: options.publicKey, format: 'der', type: 'spki' });
  const now = options.clock.now();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(options.random),
    subject: [{ OU: [options.zone] }, { CN: [options.node] }],
    issuer: issuer.subject,
    notBefore: new Date(now - backdatedMs),
    notAfter: new Date(now + nodeCertificateDays * dayMs),
    signingAlgorithm: algorithm,
    signingKey: webKeys(authority.key).privateKey,
    publicKey: publicKey.toCryptoKey(algorithm, true, ['verify']),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: options.node }]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return pemLine(certificate.toString('pem'));
}

/** SHA-256 of a certificate (PEM), 32 bytes: what a join token carries. */
export function fingerprintOf(certificate: string): Buffer {
  return hash('sha256', new X509Certificate(certificate).raw, 'buffer');
}

/** SHA-256 of a public key (SubjectPublicKeyInfo, DER), base64. */
export function keyDigest(publicKey: Buffer): string {
  return hash('sha256', publicKey, 'base64');
}

/** The same of the key in a certificate. */
export function certificateKeyDigest(certificate: X509Certificate): string {
  return keyDigest(certificate.publicKey.export({ type: 'spki', format: 'der' }));
}

/** Whose it is, when one of the authorities (PEM) issued it and it holds now; undefined otherwise. */
export function certifiedNode(
  certificate: X509Certificate,
  authorities: readonly string[],
  now: number,
): CertifiedNode | undefined {
  const isValid = certificate.validFromDate.getTime() <= now && now < certificate.validToDate.getTime();
  if (!isValid || certificate.ca) return undefined;
  const isIssued = authorities
    .map((pem) => new X509Certificate(pem))
    .some((authority) => {
      const authorityHolds = authority.ca && now < authority.validToDate.getTime();
      return authorityHolds && certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
    });
  if (!isIssued) return undefined;
  const { CN, OU } = certificate.toLegacyObject().subject as unknown as Record<string, unknown>;
  const node = typeof CN === 'string' ? parseNodeName(CN) : undefined;
  return node === undefined || typeof OU !== 'string' ? undefined : { node, zone: OU };
}

/** From when on it should be renewed (wall clock): after two thirds of its life. */
export function renewalDueAt(certificate: string): number {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  const from = validFromDate.getTime();
  return from + ((validToDate.getTime() - from) * 2) / 3;
}
