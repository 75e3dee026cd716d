// What tests of links need: an authority that makes certificates, and a relay between two nodes that is cut when told.
// Not part of the program; a test may import it, nothing else does.

import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { BasicConstraintsExtension, X509CertificateGenerator } from '@peculiar/x509';
import { systemClock } from '../../base/clock.ts';
import type { NodeId } from '../../mail/ids.ts';
import type { LinkCredentials } from '../link-credentials.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 86_400_000;

export interface TestAuthority {
  /** Credentials of a node; `name` undefined: a certificate without a name. `expired`: of yesterday. */
  credentials(name: string | undefined, options?: { expired?: boolean }): Promise<LinkCredentials>;
}

export async function makeTestAuthority(): Promise<TestAuthority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const now = systemClock.now();
  let serial = 1;
  const authority = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=test authority',
    notBefore: new Date(now - 10 * dayMs),
    notAfter: new Date(now + 10 * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    async credentials(name, { expired = false } = {}) {
      const own = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
      const certificate = await X509CertificateGenerator.create({
        serialNumber: (++serial).toString(16).padStart(4, '0'),
        subject: name === undefined ? 'O=nobody' : `CN=${name}`,
        issuer: authority.subject,
        notBefore: new Date(now - 5 * dayMs),
        notAfter: new Date(now + (expired ? -1 : 1) * dayMs),
        signingAlgorithm: algorithm,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        extensions: [new BasicConstraintsExtension(false, undefined, true)],
      });
      const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', own.privateKey)).toString('base64');
      return {
        node: (name ?? '') as NodeId,
        authorities: [authority.toString('pem')],
        certificate: certificate.toString('pem'),
        key: `-----BEGIN PRIVATE KEY-----\n${der.match(/.{1,64}/g)!.join('\n')}\n-----END PRIVATE KEY-----\n`,
      };
    },
  };
}

/** A TCP relay to a port of this machine. */
export interface Relay extends AsyncDisposable {
  readonly port: number;
  /** Resets every connection that goes through it; new ones are taken. */
  cut(): void;
  /** Stops passing bytes on, without ending anything. */
  freeze(): void;
  /** As freeze, but only what the called side sends. */
  stopAnswers(): void;
  thaw(): void;
  /** Resolves when the caller has sent so many bytes more. */
  requestsPassed(bytes: number): Promise<void>;
  /** Cuts before the next so many bytes have passed, in both directions together. */
  cutAfter(bytes: number): void;
}

export async function openRelay(target: number): Promise<Relay> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let cutAfter = Number.POSITIVE_INFINITY;
  let frozen = false;
  let passed = 0;
  let waiting: { bytes: number; resolve: () => void } | undefined;
  const cut = (): void => {
    for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy();
    pairs.clear();
  };
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.setNoDelay(true);
      from.on('error', () => {});
      from.on('data', (chunk) => {
        cutAfter -= chunk.length;
        if (from === near) passed += chunk.length;
        if (waiting !== undefined && passed >= waiting.bytes) waiting.resolve();
        if (cutAfter < 0) {
          cutAfter = Number.POSITIVE_INFINITY;
          cut();
          return;
        }
        if (!to.write(chunk)) from.pause();
      });
      to.on('drain', () => {
        if (!frozen) from.resume();
      });
      from.on('close', () => {
        to.destroy();
        pairs.delete(pair);
      });
      if (frozen) from.pause();
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    freeze() {
      frozen = true;
      for (const pair of pairs) for (const socket of pair) socket.pause();
    },
    stopAnswers() {
      frozen = true;
      for (const [, far] of pairs) far.pause();
    },
    requestsPassed(bytes) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting = { bytes: passed + bytes, resolve };
      return promise;
    },
    thaw() {
      frozen = false;
      for (const pair of pairs) for (const socket of pair) socket.resume();
    },
    cutAfter(bytes) {
      cutAfter = bytes;
    },
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}
