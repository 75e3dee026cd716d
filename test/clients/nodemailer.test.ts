// nodemailer: an application that submits mail, one connection a message and many messages over few, with attachments and
// addresses beyond ASCII, and what it is told when a recipient is refused.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { createTransport, type Transporter } from 'nodemailer';
import { bytesOf, messagesOf } from '../account-content.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';

interface SendFailure {
  readonly code?: string;
  readonly responseCode?: number;
}

describe('nodemailer', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({ accounts: ['alice', 'bob', 'dörte'] });
  });
  after(() => server.stop());

  function transport(listener: 'submission' | 'submissions', more: object = {}): Transporter {
    return createTransport({
      host: '127.0.0.1',
      port: server.ports[listener],
      secure: listener === 'submissions',
      requireTLS: listener === 'submission',
      tls: { ca: readFileSync(server.certificateFile), servername: 'localhost' },
      auth: { user: addressOf('alice'), pass: passwordOf('alice') },
      ...more,
    });
  }
  const textOf = async (user: string, uid: number): Promise<string> =>
    (await bytesOf(server.admin, user, { uid })).toString('utf8');

  for (const listener of ['submission', 'submissions'] as const) {
    test(`sends with an attachment: ${listener}`, async () => {
      const mailer = transport(listener);
      const content = Buffer.from(Array.from({ length: 100_000 }, (_, at) => (at * 31) % 256));
      const sent = await mailer.sendMail({
        from: addressOf('alice'),
        to: addressOf('bob'),
        subject: `Grüße ${listener}`,
        text: 'plain\n.\n..two dots\n',
        html: '<p>rich</p>',
        attachments: [{ filename: 'übung.bin', content }],
      });
      assert.deepEqual(sent.accepted, [addressOf('bob')]);
      assert.match(sent.response ?? '', /^250 2\.\d\.\d /);
      mailer.close();
      const row = (await messagesOf(server.admin, 'bob')).at(-1)!;
      const stored = await textOf('bob', row.uid);
      assert.ok(stored.includes('plain\r\n.\r\n..two dots\r\n'));
      assert.ok(stored.replaceAll('\r\n', '').includes(content.toString('base64')));
    });
  }

  test('pooled: forty messages over three connections', async () => {
    const before = (await messagesOf(server.admin, 'bob')).length;
    const mailer = transport('submissions', { pool: true, maxConnections: 3, maxMessages: 10 });
    const numbers = Array.from({ length: 40 }, (_, number) => number);
    await Promise.all(
      numbers.map((number) =>
        mailer.sendMail({
          from: addressOf('alice'),
          to: addressOf('bob'),
          subject: `pooled ${number}`,
          text: 'x',
        }),
      ),
    );
    mailer.close();
    const rows = (await messagesOf(server.admin, 'bob')).slice(before);
    const texts = await Promise.all(rows.map(({ uid }) => textOf('bob', uid)));
    const subjects = texts.map((text) => /^Subject: (.*)\r$/m.exec(text)?.[1]);
    assert.deepEqual(subjects.sort(), numbers.map((number) => `pooled ${number}`).sort());
  });

  test('addresses beyond ASCII', async () => {
    const mailer = transport('submissions');
    const sent = await mailer.sendMail({
      from: addressOf('alice'),
      to: `Dörte <${addressOf('dörte')}>`,
      subject: 'an Dörte',
      text: 'x',
    });
    assert.deepEqual(sent.accepted, [addressOf('dörte')]);
    mailer.close();
    assert.equal((await messagesOf(server.admin, 'dörte')).length, 1);
  });

  test('a recipient that is refused is told; the others get it', async () => {
    const mailer = transport('submissions');
    const recipients = [addressOf('bob'), addressOf('nobody')];
    const sent = await mailer.sendMail({ from: addressOf('alice'), to: recipients, text: 'x' });
    assert.deepEqual([sent.accepted, sent.rejected], [[addressOf('bob')], [addressOf('nobody')]]);
    await assert.rejects(mailer.sendMail({ from: addressOf('bob'), to: addressOf('bob'), text: 'forged' }), {
      code: 'EENVELOPE',
    });
    mailer.close();
  });

  test('a wrong password', async () => {
    const mailer = transport('submission', { auth: { user: addressOf('alice'), pass: 'wrong' } });
    await assert.rejects(mailer.verify(), (error: SendFailure) => {
      assert.deepEqual([error.code, error.responseCode], ['EAUTH', 535]);
      return true;
    });
    mailer.close();
  });
});
