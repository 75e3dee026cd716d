// openssl s_client: which TLS versions are spoken, on every port that speaks TLS, and which certificate a name gets.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { exampleCertificate, otherCertificate } from '../../src/speakers/kit/test-certificates.ts';
import {
  type Ended,
  makeTemporaryFolder,
  missingPrograms,
  runProgram,
  type TemporaryFolder,
} from '../run-program.ts';
import { type ListenerName, ServerProcess } from '../server-process.ts';

/** Sections of a TOML file for certificates written to `folder`. */
async function writeCertificates(folder: TemporaryFolder): Promise<string> {
  let text = '';
  for (const [name, pem] of Object.entries({ example: exampleCertificate, other: otherCertificate })) {
    await writeFile(folder.at(`${name}.crt`), pem.certificate);
    await writeFile(folder.at(`${name}.key`), pem.key);
    text += `[[tls.certificates]]\ncertificate = "${folder.at(`${name}.crt`)}"\nkey = "${folder.at(`${name}.key`)}"\n`;
  }
  return text;
}

const fingerprintOf = (pem: string): string => new X509Certificate(pem).fingerprint256;

describe('openssl s_client', { skip: missingPrograms('openssl') }, () => {
  let server: ServerProcess;
  let folder: TemporaryFolder;
  before(async () => {
    folder = await makeTemporaryFolder();
    await writeFile(folder.at('rookery.toml'), await writeCertificates(folder));
    server = await ServerProcess.start({ config: folder.at('rookery.toml') });
  });
  after(async () => {
    await folder.remove();
    await server.stop();
  });

  const client = (listener: ListenerName, ...more: string[]): Promise<Ended> => {
    const place = ['-connect', `127.0.0.1:${server.ports[listener]}`];
    return runProgram('openssl', ['s_client', ...place, ...more]);
  };
  const places: readonly (readonly [ListenerName, ...string[]])[] = [
    ['imaps'],
    ['imap', '-starttls', 'imap'],
    ['pop3s'],
    ['pop3', '-starttls', 'pop3'],
    ['submissions'],
    ['submission', '-starttls', 'smtp'],
    ['mx', '-starttls', 'smtp'],
  ];
  for (const [listener, ...startTls] of places) {
    test(`${listener} speaks TLS 1.2 and 1.3, and nothing older`, async () => {
      for (const version of ['1.2', '1.3']) {
        const option = `-tls${version.replace('.', '_')}`;
        const { stdout, stderr } = await client(listener, ...startTls, option);
        assert.match(stdout, new RegExp(`^New, TLSv${version}, Cipher is `, 'm'), stderr);
      }
      // OpenSSL's own default level would keep the client from trying.
      for (const option of ['-tls1_1', '-tls1']) {
        const old = await client(listener, ...startTls, option, '-cipher', 'DEFAULT@SECLEVEL=0');
        assert.match(old.stdout, /^New, \(NONE\), Cipher is \(NONE\)$/m);
        assert.match(old.stderr, /alert protocol version/);
      }
    });
  }

  const certificateFor = async (name: string | undefined): Promise<string> => {
    const option = name === undefined ? ['-noservername'] : ['-servername', name];
    const { stdout } = await client('imaps', ...option, '-showcerts');
    const pem = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----\n/.exec(stdout)?.[0];
    assert.ok(pem !== undefined, stdout);
    return fingerprintOf(pem);
  };

  test('the name a client asks for chooses the certificate', async () => {
    const example = fingerprintOf(readFileSync(folder.at('example.crt'), 'utf8'));
    const other = fingerprintOf(readFileSync(folder.at('other.crt'), 'utf8'));
    assert.equal(await certificateFor('example.test'), example);
    assert.equal(await certificateFor('mail.other.test'), other);
    assert.equal(await certificateFor('MAIL.Other.Test'), other);
    assert.equal(await certificateFor('unknown.test'), example);
    assert.equal(await certificateFor('deep.mail.other.test'), example);
    assert.equal(await certificateFor(undefined), example);
  });
});
