// The server's certificates: the first is the default, the others are found by the name the client asks for (SNI, RFC
// 6066 3), exact names before wildcards. Invariant: a reload that fails changes nothing, so a bad file never takes TLS
// away from a running server; it throws a Fault naming the file.

import { constants, X509Certificate } from 'node:crypto';
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
}

type SniCallback = (serverName: string, done: (error: Error | null, context?: SecureContext) => void) => void;

function subjectNames(certificate: X509Certificate): string[] {
  const names: string[] = [];
  for (const entry of (certificate.subjectAltName ?? '').split(', ')) {
    const match = /^(?:DNS|IP Address):(.+)$/.exec(entry);
    if (match !== null) names.push(match[1]!.toLowerCase());
  }
  return names;
}

function buildContext(pem: CertificatePem, minVersion: TlsVersion): LoadedCertificate {
  const certificate = new X509Certificate(pem.certificate);
  const context = createSecureContext({
    cert: pem.certificate,
    key: pem.key,
    minVersion,
    honorCipherOrder: true,
    // Without it OpenSSL refuses to resume sessions; renegotiation only serves attackers.
    sessionIdContext: 'rookery',
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  });
  return { names: subjectNames(certificate), notAfter: certificate.validToDate, context };
}

async function readPem(files: CertificateFiles): Promise<CertificatePem> {
  const read = async (path: string): Promise<string> => {
    try {
      return await readFile(path, 'utf8');
    } catch (cause) {
      throw new Fault(`cannot read ${path}`, { temporary: false, cause });
    }
  };
  return { certificate: await read(files.certificateFile), key: await read(files.keyFile) };
}

async function loadCertificate(
  source: CertificateFiles | CertificatePem,
  minVersion: TlsVersion,
): Promise<LoadedCertificate> {
  const pem = 'certificateFile' in source ? await readPem(source) : source;
  try {
    return buildContext(pem, minVersion);
  } catch (cause) {
    const place =
      'certificateFile' in source ? `${source.certificateFile} with ${source.keyFile}` : 'given PEM';
    throw new Fault(`not a usable certificate and key: ${place}`, { temporary: false, cause });
  }
}

export class TlsContexts {
  #sources: readonly (CertificateFiles | CertificatePem)[];
  #certificates: readonly LoadedCertificate[] = [];
  #byName = new Map<string, SecureContext>();
  /** For tls.TLSSocket. */
  readonly sniCallback: SniCallback = (serverName, done) => done(null, this.contextFor(serverName));

  readonly #minVersion: TlsVersion;

  private constructor(sources: readonly (CertificateFiles | CertificatePem)[], minVersion: TlsVersion) {
    this.#sources = sources;
    this.#minVersion = minVersion;
  }

  /** Reads every certificate; rejects with a Fault naming the file that cannot be used. At least one source. */
  static async open(
    sources: readonly (CertificateFiles | CertificatePem)[],
    minVersion: TlsVersion = 'TLSv1.2',
  ): Promise<TlsContexts> {
    const contexts = new TlsContexts(sources, minVersion);
    await contexts.reload();
    return contexts;
  }

  get certificates(): readonly LoadedCertificate[] {
    return this.#certificates;
  }

  /** Reads the files again, or other ones; handshakes from now on use them. Nothing changes when one is bad. */
  async reload(sources = this.#sources): Promise<void> {
    if (sources.length === 0) throw new Fault('TLS needs at least one certificate', { temporary: false });
    const certificates = await Promise.all(
      sources.map((source) => loadCertificate(source, this.#minVersion)),
    );
    const byName = new Map<string, SecureContext>();
    for (const { names, context } of certificates) {
      for (const name of names) if (!byName.has(name)) byName.set(name, context);
    }
    this.#sources = sources;
    this.#certificates = certificates;
    this.#byName = byName;
  }

  /** The context for a name, the default one when none matches. */
  contextFor(serverName: string | undefined): SecureContext {
    const fallback = this.#certificates[0]!.context;
    if (serverName === undefined) return fallback;
    const name = serverName.toLowerCase();
    // RFC 6125 6.4.3: a wildcard stands for exactly the left-most label.
    const wildcard = `*${name.slice(Math.max(name.indexOf('.'), 0))}`;
    return this.#byName.get(name) ?? this.#byName.get(wildcard) ?? fallback;
  }
}
