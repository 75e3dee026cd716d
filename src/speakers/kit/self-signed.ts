// The certificate of a server that was given none: self-signed, made once and kept in the data directory, so that clients that
// trusted it go on trusting it. Renewed when less than a month is left.

import { createPrivateKey, X509Certificate as NodeCertificate, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { CertificateFiles } from './tls-contexts.ts';

const dayMs = 86_400_000;
const validDays = 825;
const renewDays = 30;

export interface SelfSignedOptions {
  readonly directory: string;
  readonly hostname: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** Gives the files of a self-signed certificate for `hostname`, localhost and the loopback addresses; makes them when needed. */
export async function ensureSelfSigned(options: SelfSignedOptions): Promise<CertificateFiles> {
  const certificateFile = join(options.directory, 'self-signed.crt');
  const keyFile = join(options.directory, 'self-signed.key');
  const files = { certificateFile, keyFile };
  if (isGood(files, options)) return files;
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  const { certificate, key } = await makeSelfSigned(options);
  // When it ends between the two, they are no pair, and the next start makes both anew.
  await writeWhole(keyFile, key, 0o600);
  await writeWhole(certificateFile, certificate, 0o644);
  return files;
}

function isGood({ certificateFile, keyFile }: CertificateFiles, options: SelfSignedOptions): boolean {
  try {
    const certificate = new NodeCertificate(readFileSync(certificateFile));
    const isFresh = certificate.validToDate.getTime() - options.clock.now() > renewDays * dayMs;
    const isPair = certificate.checkPrivateKey(createPrivateKey(readFileSync(keyFile)));
    return isFresh && isPair && certificate.checkHost(options.hostname) !== undefined;
  } catch {
    return false; // missing, or not readable as a certificate and its key: made anew
  }
}

async function writeWhole(file: string, text: string, mode: number): Promise<void> {
  await writeFile(`${file}.new`, text, { mode, flush: true });
  await rename(`${file}.new`, file);
}

async function makeSelfSigned(options: SelfSignedOptions): Promise<{ certificate: string; key: string }> {
  // Loaded only when a certificate is made: the library is large, and needs this polyfill before it.
  await import('reflect-metadata');
  const { BasicConstraintsExtension, SubjectAlternativeNameExtension, X509CertificateGenerator } =
    await import('@peculiar/x509');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const now = options.clock.now();
  const names = [...new Set([options.hostname, 'localhost'])].map((value) => ({
    type: 'dns' as const,
    value,
  }));
  const addresses = ['127.0.0.1', '::1'].map((value) => ({ type: 'ip' as const, value }));
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: options.random.bytes(16).toString('hex'),
    name: [{ CN: [options.hostname] }],
    notBefore: new Date(now - dayMs),
    notAfter: new Date(now + validDays * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new SubjectAlternativeNameExtension([...names, ...addresses]),
    ],
  });
  const exported = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const key = `-----BEGIN PRIVATE KEY-----\n${exported.match(/.{1,64}/g)!.join('\n')}\n-----END PRIVATE KEY-----\n`;
  return { certificate: `${certificate.toString('pem')}\n`, key };
}
