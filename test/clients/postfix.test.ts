// A real MTA in front: Debian's Postfix takes messages and hands them to Rookery, once over SMTP (with PIPELINING and
// CHUNKING as it finds them) and once over LMTP with several recipients. All arrive once, byte for byte behind the trace
// fields; a recipient that does not exist comes back as a bounce of Postfix's, not as lost mail.

import assert from 'node:assert/strict';
import { chmodSync, existsSync } from 'node:fs';
import { test } from 'node:test';
import { createTransport } from 'nodemailer';
import { startPostfix } from '../../bench/targets/postfix.ts';
import { LineSession } from '../faults/line-session.ts';
import { makeTemporaryFolder } from '../run-program.ts';
import { addressOf, domain, passwordOf, ServerProcess } from '../server-process.ts';

const skip =
  process.getuid?.() !== 0
    ? 'needs root to start a Postfix of its own'
    : existsSync('/usr/sbin/postfix')
      ? false
      : 'needs Postfix: apt-get install postfix';

const messages = 30;

/** The texts in a user's INBOX, waited for until there are `count`. */
async function inbox(server: ServerProcess, user: string, count: number): Promise<string[]> {
  const session = await LineSession.open(server.ports.imap);
  await session.line();
  await session.command(`l LOGIN ${addressOf(user)} "${passwordOf(user)}"`, 'l OK');
  session.write('s SELECT INBOX\r\n');
  let lines = await session.until('s OK');
  const has = (): boolean => lines.some((line) => Number(/^\* (\d+) EXISTS/.exec(line)?.[1]) >= count);
  if (!has()) {
    session.write('i IDLE\r\n');
    while (!has()) lines = [await session.line()];
    session.write('DONE\r\n');
    await session.until('i OK');
  }
  session.write('f FETCH 1:* BODY.PEEK[]\r\n');
  const texts: string[] = [];
  for (;;) {
    const line = await session.line();
    if (line.startsWith('f OK')) break;
    const size = Number(/\{(\d+)\}$/.exec(line)?.[1]);
    if (!Number.isNaN(size)) texts.push((await session.bytes(size)).toString('latin1'));
  }
  session.end();
  return texts;
}

for (const way of ['smtp', 'lmtp'] as const) {
  test(`Postfix hands mail over by ${way.toUpperCase()}`, { skip }, async () => {
    const folder = await makeTemporaryFolder();
    chmodSync(folder.path, 0o755); // Postfix's own user must reach its queue
    await using server = await ServerProcess.start({ accounts: ['alice', 'bob'] });
    const port = way === 'smtp' ? server.ports.mx : server.ports.lmtp;
    const transport = way === 'smtp' ? `smtp:[127.0.0.1]:${port}` : `lmtp:inet:127.0.0.1:${port}`;
    const postfix = await startPostfix(folder.path, domain, transport);
    try {
      const client = createTransport({
        host: '127.0.0.1',
        port: postfix.port,
        secure: false,
        ignoreTLS: true,
        pool: true,
      });
      const to = [addressOf('alice'), addressOf('bob')];
      for (let number = 1; number <= messages; number++) {
        const text =
          number % 10 === 0 ? 'x\n.\n..dots\n'.repeat(20_000) : `.hidden\nFrom me\nnumber ${number}`;
        await client.sendMail({ from: 'sender@example.org', to, subject: `number ${number}`, text });
      }
      client.close();
      for (const user of ['alice', 'bob']) {
        const found = await inbox(server, user, messages);
        const numbers = found
          .map((text) => Number(/^Subject: number (\d+)/m.exec(text)?.[1]))
          .sort((a, b) => a - b);
        assert.deepEqual(
          numbers,
          Array.from({ length: messages }, (_, index) => index + 1),
        );
        const withDots = found.filter((text) => text.includes('\r\n..dots\r\n'));
        assert.equal(withDots.length, messages / 10);
        assert.equal(
          found.filter((text) => text.includes('\r\n.hidden\r\nFrom me\r\n')).length,
          messages - messages / 10,
        );
      }
    } catch (error) {
      process.stdout.write(`# Postfix said:\n${postfix.log().replaceAll(/^/gm, '# ')}\n`);
      throw error;
    } finally {
      await postfix.stop();
    }
    await server.stop();
    await folder.remove();
  });
}
