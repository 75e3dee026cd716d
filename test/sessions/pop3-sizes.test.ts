// Sizes in LIST and STAT are those of what RETR sends (RFC 1939 section 11), whatever lines the messages are stored with.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OperationId } from '../../src/mail/ids.ts';
import { MailError } from '../../src/mail/mail-error.ts';
import { deliver, openPop3Server, Pop3Client, password } from './pop3-fixture.ts';

const hello = 'Subject: hello\r\n\r\nfirst line\r\nsecond line\r\n';

test('sizes are the octets that RETR sends, whatever line ends the message is stored with', async () => {
  await using server = await openPop3Server();
  const messages = [
    hello,
    'Subject: bare\n\none\n.two\n',
    'Subject: no end\r\n\r\nlast line',
    'Subject: \xc3\xbcml\xc3\xa4ut\n\nbody\n',
    `Subject: large\n\n${'a line of it\n'.repeat(150_000)}`,
  ];
  await deliver(server, ...messages);
  for (const utf8 of [false, true]) {
    using client = await Pop3Client.connect(server);
    if (utf8) await client.ask('UTF8');
    await client.ask('USER alice@example.test');
    await client.ask(`PASS ${password}`);
    const listed = await client.askLines('LIST');
    const sent: number[] = [];
    for (let number = 1; number <= messages.length; number++) {
      const status = await client.ask(`RETR ${number}`);
      const lines = await client.lines();
      sent.push(lines.reduce((sum, line) => sum + line.length + 2, 0));
      assert.equal(status, `+OK ${sent.at(-1)} octets`);
    }
    assert.deepEqual(
      listed,
      sent.map((size, index) => `${index + 1} ${size}`),
    );
    const total = sent.reduce((sum, size) => sum + size, 0);
    assert.equal(await client.ask('STAT'), `+OK ${messages.length} ${total}`);
  }
});

test('a long header is replaced as a whole, however little of the message is read at a time', async () => {
  await using server = await openPop3Server({ limits: { readAheadBytes: 1000 } });
  const header = `X: ${'x '.repeat(12_000)}\r\nSubject: \xc3\xbcml\xc3\xa4ut\r\n\r\n`;
  await deliver(server, `${header}${'a line of it\r\n'.repeat(10_000)}`);
  using client = await Pop3Client.loggedIn(server);
  const [listed] = await client.askLines('LIST');
  assert.equal(await client.ask('RETR 1'), `+OK ${listed!.slice(2)} octets`);
  const sent = await client.lines();
  assert.equal(`1 ${sent.reduce((sum, line) => sum + line.length + 2, 0)}`, listed);
  assert.deepEqual(await client.askLines('TOP 1 1'), sent.slice(0, 4));
  assert.match(sent[1]!, /^Subject: =\?utf-8\?B\?[\w+/=]+\?=$/);
});

test('sizes go with their messages: copied, removed, added', async () => {
  await using server = await openPop3Server();
  const bare = 'Subject: bare\n\none\n';
  await deliver(server, bare, hello);
  using first = await Pop3Client.loggedIn(server);
  assert.deepEqual(await first.askLines('LIST'), [`1 ${bare.length + 3}`, `2 ${hello.length}`]);
  await first.ask('DELE 1');
  assert.equal(await first.ask('QUIT'), '+OK 1 messages deleted, bye');
  assert.equal(await first.raw.line(), undefined);
  const port = await server.hosts.open(server.alice.id);
  const inbox = (await port.findMailbox({ role: 'inbox' }))!;
  assert.deepEqual([...(await port.sentSizes(inbox.id)).sizes], [hello.length]);
  await deliver(server, bare);
  const uids = (await port.columns(inbox.id, undefined)).uids;
  const operation = 'copy' as OperationId;
  await port.copy({ operation, from: inbox.id, uids, to: { role: 'inbox' }, move: false });
  assert.deepEqual(
    [...(await port.sentSizes(inbox.id)).sizes],
    [hello.length, bare.length + 3, hello.length, bare.length + 3],
  );
});

test('an account on a node that does not know of sizes as sent is served with those stored', async () => {
  await using server = await openPop3Server();
  await deliver(server, 'Subject: bare\n\none\n');
  server.wrap = (port) =>
    new Proxy(port, {
      get(target, name) {
        if (name === 'sentSizes')
          return () => Promise.reject(new MailError('notSupported', 'no such method'));
        const member = Reflect.get(target, name) as unknown;
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  using client = await Pop3Client.loggedIn(server);
  assert.deepEqual(await client.askLines('LIST'), ['1 19']);
  assert.deepEqual(await client.askLines('RETR 1'), ['Subject: bare', '', 'one']);
});
