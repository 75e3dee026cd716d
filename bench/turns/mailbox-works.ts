// Works on large mailboxes and large messages. The order matters: the first ones fill the mailboxes that others look at.

import { LineClient } from '../line-client.ts';
import { fillMailbox, login, openMailbox } from '../mailbox.ts';
import { deliverAll } from '../workloads/lmtp.ts';
import type { Work, WorkPlace } from './work.ts';

const mixMessages = 5000;
const smallMessages = 50_000;
const mailboxCount = 10_000;
const pipelinedCommands = 20_000;
const largeBytes = 40 * 1024 * 1024;

/** APPENDs that are sent before an answer is waited for. */
const appendsAtOnce = 200;

async function appendSmall({ target }: WorkPlace, user: string, count: number): Promise<void> {
  const client = await openMailbox(target, user);
  for (let done = 0; done < count; done += appendsAtOnce) {
    const many = Math.min(appendsAtOnce, count - done);
    let text = '';
    for (let index = done; index < done + many; index++) {
      const body = `From: a@b.example\r\nSubject: number ${index} of ${index % 1000}\r\n\r\nhello ${index}\r\n`;
      text += `p${index} APPEND INBOX {${body.length}+}\r\n${body}\r\n`;
    }
    await client.command(text, `p${done + many - 1} OK`);
  }
  client.end();
}

/** One after the other, whatever they are answered. */
async function sendAll(client: LineClient, texts: readonly string[]): Promise<void> {
  for (const text of texts) await client.command(`x ${text}\r\n`, 'x OK', 'x NO', 'x BAD');
}

function command(name: string, user: string, ...texts: readonly string[]): Work {
  return {
    name,
    run: async ({ target }, watch) => {
      const client = await openMailbox(target, user);
      await watch();
      await sendAll(client, texts);
      client.end();
    },
  };
}

export const mailboxWorks: readonly Work[] = [
  {
    name: 'pipelined commands of one client',
    run: async ({ target }, watch) => {
      const imap = await openMailbox(target, 'user3');
      const smtp = await LineClient.open(target.ports.lmtp);
      await smtp.lastLine('220 ');
      await smtp.command('LHLO bench.example\r\n', '250 ');
      await watch();
      const noops = Array.from({ length: pipelinedCommands }, (_, index) => `p${index} NOOP\r\n`);
      await imap.command(noops.join(''), `p${pipelinedCommands - 1} OK`);
      const transactions = 'MAIL FROM:<a@b.example>\r\nRSET\r\n'.repeat(pipelinedCommands / 2);
      await smtp.command(`${transactions}MAIL FROM:<>\r\nDATA\r\n`, '503');
      imap.end();
      smtp.end();
    },
  },
  {
    name: 'deliveries of mixed mail, then indexing',
    fills: true,
    run: async ({ target, scale }, watch) => {
      await watch();
      await fillMailbox(target, { user: 'heavy', count: Math.ceil(mixMessages * scale), seed: 15_000 });
      await new Promise((resolve) => setTimeout(resolve, 15_000 * Math.min(1, scale)));
    },
  },
  command(
    'FETCH of bodies, envelopes; SEARCH (mixed)',
    'heavy',
    ...Array.from({ length: 5 }, () => [
      'FETCH 1:* BODY.PEEK[]',
      'FETCH 1:* (ENVELOPE BODYSTRUCTURE)',
      'SEARCH SUBJECT nowhere',
    ]).flat(),
  ),
  command(
    'SEARCH of text, SORT, THREAD (mixed)',
    'heavy',
    'SEARCH TEXT nowhere',
    'SEARCH BODY "and the time"',
    'SORT (SUBJECT) UTF-8 ALL',
    'THREAD REFERENCES UTF-8 ALL',
  ),
  command(
    'FETCH of headers (mixed)',
    'heavy',
    'FETCH 1:* BODY.PEEK[HEADER]',
    'FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)]',
    'FETCH 1:* BODY.PEEK[1]',
  ),
  {
    name: 'APPEND of many small messages',
    fills: true,
    run: async (place, watch) => {
      await watch();
      await appendSmall(place, 'small', Math.ceil(smallMessages * place.scale));
    },
  },
  command(
    'FETCH of all flags (many)',
    'small',
    'FETCH 1:* FLAGS',
    'FETCH 1:* (FLAGS UID RFC822.SIZE INTERNALDATE)',
    'FETCH 1:* FAST',
  ),
  command('FETCH of envelopes (many)', 'small', 'FETCH 1:* ENVELOPE', 'FETCH 1:* ALL'),
  command(
    'SEARCH by columns (many)',
    'small',
    'SEARCH UNSEEN',
    'SEARCH NOT 1:3,7,9 UNSEEN SMALLER 100000',
    'UID SEARCH RETURN (ALL) SINCE 1-Jan-2020',
    'SEARCH RETURN (SAVE) ALL',
    'FETCH $ UID',
  ),
  command(
    'SORT, THREAD (many)',
    'small',
    'SORT (SUBJECT) UTF-8 ALL',
    'SORT (REVERSE DATE FROM) UTF-8 ALL',
    'THREAD ORDEREDSUBJECT UTF-8 ALL',
    'THREAD REFERENCES UTF-8 ALL',
  ),
  command(
    'STORE of all (many)',
    'small',
    'STORE 1:* +FLAGS (\\Flagged)',
    'STORE 1:* +FLAGS.SILENT (\\Seen $a)',
  ),
  command(
    'STORE of every other (many)',
    'small',
    `STORE ${Array.from({ length: 500 }, (_, index) => index * 2 + 1).join()} +FLAGS (\\Answered)`,
    'SEARCH ANSWERED',
  ),
  command(
    'SELECT with QRESYNC (many)',
    'small',
    'ENABLE QRESYNC',
    'UNSELECT',
    'SELECT INBOX (QRESYNC (1 1))',
    'CLOSE',
    'SELECT INBOX',
    'SELECT INBOX',
  ),
  command('COPY of all (many)', 'small', 'CREATE Copied', 'COPY 1:* Copied'),
  command('MOVE of all (many)', 'small', 'CREATE Moved', 'SELECT Copied', 'MOVE 1:* Moved'),
  command(
    'EXPUNGE of all (many)',
    'small',
    'SELECT Moved',
    'STORE 1:* +FLAGS.SILENT (\\Deleted)',
    'EXPUNGE',
    'DELETE Moved',
  ),
  {
    name: 'MOVE seen by another session (many)',
    run: async ({ target }, watch) => {
      const watcher = await openMailbox(target, 'small');
      const client = await openMailbox(target, 'small');
      await watch();
      await client.command('x STORE 1:* +FLAGS.SILENT (\\Draft)\r\n', 'x OK');
      await watcher.command('x NOOP\r\n', 'x OK');
      await client.command('x STORE 1:* -FLAGS.SILENT (\\Draft)\r\n', 'x OK');
      await watcher.command('x NOOP\r\n', 'x OK');
      watcher.end();
      client.end();
    },
  },
  {
    name: 'POP3 of many messages',
    run: async ({ target }, watch) => {
      await watch();
      const client = await LineClient.open(target.ports.pop3!);
      await client.lastLine('+OK');
      await client.command(`USER small@${target.domain}\r\n`, '+OK');
      await client.command(`PASS ${target.password}\r\n`, '+OK');
      for (const text of ['LIST', 'UIDL']) await client.command(`${text}\r\n`, '.');
      await client.command('QUIT\r\n', '+OK');
      client.end();
    },
  },
  {
    name: 'CREATE, LIST, STATUS of many mailboxes',
    run: async ({ target, scale }, watch) => {
      const client = await login(target, 'user2');
      await watch();
      const count = Math.ceil(mailboxCount * scale);
      for (let done = 0; done < count; done += 100) {
        let text = '';
        for (let index = done; index < done + 100; index++)
          text += `c${index} CREATE a/b${index % 50}/c${index}\r\n`;
        await client.command(text, `c${done + 99} `);
      }
      await sendAll(client, [
        'LIST "" *',
        'LSUB "" *',
        'LIST "" * RETURN (STATUS (MESSAGES UNSEEN))',
        'LIST "" (* %) RETURN (SUBSCRIBED CHILDREN)',
        'RENAME a z',
        'LIST "" "*c*1*"',
      ]);
      client.end();
    },
  },
  {
    name: 'large messages: delivered, fetched, searched',
    run: async ({ target }, watch) => {
      const line = `${'abcdefghijklmnop'.repeat(4)}0123456789\r\n`;
      const base64 = `Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n${line.repeat(Math.floor(largeBytes / line.length))}--b--\r\n`;
      const plain = `Subject: plain\r\n\r\n${line.repeat(Math.floor(largeBytes / line.length))}`;
      const quoted = `Subject: quoted\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${'<p>caf=C3=A9 and more text of a page that is long</p>=\r\n'.repeat(200_000)}\r\n`;
      const parts = `Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\nContent-Type: text/plain\r\n\r\nx\r\n'.repeat(20_000)}--b--\r\n`;
      const headers = `Subject: headers\r\n${'X-Some: header of some length that goes on\r\n'.repeat(20_000)}\r\nx\r\n`;
      const addresses = `Subject: addresses\r\nTo: ${Array.from({ length: 50_000 }, (_, index) => `"Name ${index}" <a${index}@b.example>`).join(',\r\n ')}\r\n\r\nx\r\n`;
      await watch();
      await deliverAll(
        target.ports.lmtp,
        [base64, plain, quoted, parts, headers, addresses].map((text) => Buffer.from(text, 'latin1')),
        {
          greeting: 'LHLO',
          connections: 1,
          recipient: () => `large@${target.domain}`,
        },
      );
      const client = await openMailbox(target, 'large');
      await sendAll(client, [
        'FETCH 1:* (ENVELOPE BODYSTRUCTURE)',
        'FETCH 1:* BODY.PEEK[]',
        'FETCH 1:* BINARY.PEEK[1]',
        'FETCH 1:* BINARY.SIZE[1]',
        'FETCH 1:* BODY.PEEK[HEADER.FIELDS (TO)]',
        'FETCH 1:* BODY.PEEK[TEXT]',
        'FETCH 1:* PREVIEW',
        'SEARCH TEXT nowhere',
        'SEARCH BODY nowhere',
        'SEARCH TO nowhere',
        'SORT (FROM TO) UTF-8 ALL',
      ]);
      client.end();
    },
  },
];
