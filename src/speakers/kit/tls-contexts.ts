// The server's certificates: the first is the default, the others are found by the name the client asks for (SNI, RFC
// 6066 3), exact names before wildcards. Invariant: a reload that fails changes nothing, so a bad file never takes TLS
// away from a running server; it throws a Fault naming the file.

import { constants, hash, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import { Fault } from '../../base/fault.ts';

export interface CertificateFiles {
  /** PEM: the server's certificate, then its chain. */
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** RFC 8996 retires TLS 1.0 and 1.1. */
export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

export interface CertificatePem {
  readonly certificate: string;
  readonly key: string;
}

export interface LoadedCertificate {
  /** Lower-case DNS names and addresses of the subject's alternative names. */
  readonly names: readonly string[];
  readonly notAfter: Date;
  readonly context: SecureContext;
  /** RFC 5929 4: what a client that binds its login to this server (tls-server-end-point) has seen of the certificate. */
  readonly endPointHash: Buffer;
}

function subjectNames(certificate: X509Certificate): string[] {
  const names: string[] = [];
  for (const entry of (certificate.subjectAltName ?? '').split(', ')) {
    const match = /^(?:DNS|IP Address):(.+)$/.exec(entry);
    if (match !== null) names.push(match[1]!.toLowerCase());
  }
  return names;
}

/** RFC 5929 4.1: the hash of the certificate's signature algorithm, MD5 and SHA-1 replaced by SHA-256. */
function endPointHashOf(certificate: X509Certificate): Buffer {
  const { signatureAlgorithm } = certificate as X509Certificate & { signatureAlgorithm?: string };
  const found = /sha-?(384|512)/i.exec(signatureAlgorithm ?? '');
  return hash(found === null ? 'sha256' : `sha${found[1]}`, certificate.raw, 'buffer');
}

function buildContext(pem: CertificatePem, settings: ContextSettings): LoadedCertificate {
  const certificate = new X509Certificate(pem.certificate);
  const { minVersion, clientAuthorities } = settings;
  const context = createSecureContext({
    cert: pem.certificate,
    key: pem.key,
    minVersion,
    maxVersion: 'TLSv1.3',
    ...(clientAuthorities === undefined ? {} : { ca: clientAuthorities }),
    honorCipherOrder: true,
    // Without it OpenSSL refuses to resume sessions; renegotiation only serves attackers.
    sessionIdContext: 'rookery',
    // A session that is resumed would show a certificate of before, without its key, and after its end.
    secureOptions:
      constants.SSL_OP_NO_RENEGOTIATION | (clientAuthorities === undefined ? 0 : constants.SSL_OP_NO_TICKET),
  });
  return {
    names: subjectNames(certificate),
    notAfter: certificate.validToDate,
    context,
    endPointHash: endPointHashOf(certificate),
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new Fault(`cannot read ${path} (${why})`, { temporary: false, cause });
  }
}

async function readPem(files: CertificateFiles): Promise<CertificatePem> {
  return { certificate: await readText(files.certificateFile), key: await readText(files.keyFile) };
}

/** PEM of one certificate or more. Rejects with a Fault: OpenSSL would take a file without any and trust nobody. */
async function readAuthorities(path: string): Promise<string> {
  const pem = await readText(path);
  try {
    new X509Certificate(pem);
  } catch (cause) {
    throw new Fault(`not a certificate: ${path}`, { temporary: false, cause });
  }
  return pem;
}

async function loadCertificate(
  source: CertificateFiles | CertificatePem,
  settings: ContextSettings,
): Promise<LoadedCertificate> {
  const pem = 'certificateFile' in source ? await readPem(source) : source;
  try {
    return buildContext(pem, settings);
  } catch (cause) {
    const place =
      'certificateFile' in source ? `${source.certificateFile} with ${source.keyFile}` : 'given PEM';
    const why = (cause as Error).message;
    throw new Fault(`not a usable certificate and key: ${place} (${why})`, { temporary: false, cause });
  }
}

interface ContextSettings {
  readonly minVersion: TlsVersion;
  /** PEM. */
  readonly clientAuthorities: string | undefined;
}

export interface TlsContextsOptions {
  readonly minVersion?: TlsVersion;
  /** PEM file: who signs clients' certificates. Undefined: clients are not asked for any. */
  readonly clientAuthoritiesFile?: string | undefined;
}

export class TlsContexts {
  #sources: readonly (CertificateFiles | CertificatePem)[];
  #certificates: readonly LoadedCertificate[] = [];
  #byName = new Map<string, LoadedCertificate>();
  readonly #minVersion: TlsVersion;
  readonly #clientAuthoritiesFile: string | undefined;

  private constructor(
    sources: readonly (CertificateFiles | CertificatePem)[],
    { minVersion = 'TLSv1.2', clientAuthoritiesFile }: TlsContextsOptions,
  ) {
    this.#sources = sources;
    this.#minVersion = minVersion;
    this.#clientAuthoritiesFile = clientAuthoritiesFile;
  }

  /** Reads every certificate; rejects with a Fault naming the file that cannot be used. At least one source. */
  static async open(
    sources: readonly (CertificateFiles | CertificatePem)[],
    options: TlsContextsOptions = {},
  ): Promise<TlsContexts> {
    const contexts = new TlsContexts(sources, options);
    await contexts.reload();
    return contexts;
  }

  /** Certificates of clients can be verified. */
  get knowsClients(): boolean {
    return this.#clientAuthoritiesFile !== undefined;
  }

  /** Names that clients ask for do not matter. */
  get hasOneOnly(): boolean {
    return this.#certificates.length === 1;
  }

  get certificates(): readonly LoadedCertificate[] {
    return this.#certificates;
  }

  /** Reads the files again, or other ones; handshakes from now on use them. Nothing changes when one is bad. */
  async reload(sources = this.#sources): Promise<void> {
    if (sources.length === 0) throw new Fault('TLS needs at least one certificate', { temporary: false });
    const file = this.#clientAuthoritiesFile;
    const settings: ContextSettings = {
      minVersion: this.#minVersion,
      clientAuthorities: file === undefined ? undefined : await readAuthorities(file),
    };
    const certificates = await Promise.all(sources.map((source) => loadCertificate(source, settings)));
    const byName = new Map<string, LoadedCertificate>();
    for (const certificate of certificates) {
      for (const name of certificate.names) if (!byName.has(name)) byName.set(name, certificate);
    }
    this.#sources = sources;
    this.#certificates = certificates;
    this.#byName = byName;
  }

  /** The certificate for a name, the default one when none matches. */
  certificateFor(serverName: string | undefined): LoadedCertificate {
    const fallback = this.#certificates[0]!;
    if (serverName === undefined) return fallback;
    const name = serverName.toLowerCase();
    // RFC 6125 6.4.3: a wildcard stands for exactly the left-most label.
    const wildcard = `*${name.slice(Math.max(name.indexOf('.'), 0))}`;
    return this.#byName.get(name) ?? this.#byName.get(wildcard) ?? fallback;
  }
}
