// A real client, nodemailer, against submission and mx.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTransport } from 'nodemailer';
import { exampleCertificate } from '../../src/speakers/kit/test-certificates.ts';
import { TlsContexts } from '../../src/speakers/kit/tls-contexts.ts';
import { password } from './harness.ts';
import { openSmtpServer } from './smtp-fixture.ts';

const message = {
  from: 'Alice <alice@example.test>',
  to: ['bob@example.test', 'carol@example.test'],
  subject: 'Grüße',
  text: 'Zeile eins\n.\n..zwei\n'.repeat(1_000),
  attachments: [{ filename: 'noise.bin', content: Buffer.alloc(100_000, 'noise') }],
};

test('nodemailer over STARTTLS, and over implicit TLS', async () => {
  for (const secure of [false, true]) {
    const tls = secure ? 'implicit' : 'starttls';
    const tlsContexts = await TlsContexts.open([exampleCertificate]);
    await using server = await openSmtpServer('submission', { listener: { tls, tlsContexts } });
    const transport = createTransport({
      host: '127.0.0.1',
      port: server.listener.port,
      secure,
      requireTLS: true,
      tls: { rejectUnauthorized: false },
      auth: { user: 'alice@example.test', pass: password },
    });
    const { accepted, rejected } = await transport.sendMail(message);
    assert.deepEqual([accepted, rejected], [message.to, []]);
    transport.close();
    assert.deepEqual(server.accounts.delivered.map(({ account }) => account).sort(), ['bob', 'carol']);
    for (const { text } of server.accounts.delivered) {
      assert.match(text, /with ESMTPSA/);
      assert.ok(text.includes('\r\n.\r\n..zwei\r\n'));
    }
  }
});

test('nodemailer hears of wrong passwords and unknown recipients', async () => {
  await using server = await openSmtpServer('submission', { protocol: { allowCleartextAuth: true } });
  const { port } = server.listener;
  const options = { host: '127.0.0.1', port, ignoreTLS: true };
  const wrong = createTransport({ ...options, auth: { user: 'alice@example.test', pass: 'wrong' } });
  await assert.rejects(wrong.sendMail(message), { code: 'EAUTH', responseCode: 535 });
  const right = createTransport({ ...options, auth: { user: 'alice@example.test', pass: password } });
  const sent = await right.sendMail({ ...message, to: ['bob@example.test', 'nobody@example.test'] });
  assert.deepEqual([sent.accepted, sent.rejected], [['bob@example.test'], ['nobody@example.test']]);
  await assert.rejects(right.sendMail({ ...message, to: 'x@elsewhere.test' }), { responseCode: 550 });
});
