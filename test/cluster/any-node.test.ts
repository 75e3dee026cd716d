// Any user through any node: three nodes are one mail server (PROMISES 14, 15, 25, 30, 31, 33, 64).

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, before, suite, test } from 'node:test';
import { type FetchMessageObject, type FetchQueryObject, ImapFlow } from 'imapflow';
import { createTransport } from 'nodemailer';
import { LineSession, ServerGone } from '../faults/line-session.ts';
import { missingPostgres } from '../postgres-server.ts';
import { makeTemporaryFolder, type TemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf } from '../server-process.ts';
import { ClusterProcesses } from './cluster-processes.ts';
import type { NodeProcess } from './node-process.ts';

const users = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi', 'ivan', 'judy'];

suite('three nodes', { skip: missingPostgres() }, () => {
  let cluster: ClusterProcesses;
  let shared: TemporaryFolder;

  before(async () => {
    shared = await makeTemporaryFolder();
    // The others are told of it when they join.
    const blobs = ['storage.blobs=directory', `storage.blob_directory=${shared.path}`];
    cluster = await ClusterProcesses.start({
      users,
      settingsOf: (name) => (name === 'node1' ? blobs : []),
    });
  });
  after(async () => {
    await cluster?.stop();
    await cluster?.[Symbol.asyncDispose]();
    await shared?.remove();
  });

  test('every node hosts a share of the accounts', async () => {
    const { nodes, shards } = await cluster.status();
    const counts = nodes.map(({ shards: count }) => count).sort((a, b) => a - b);
    assert.equal(counts[0]! + counts[1]! + counts[2]!, 256);
    // As even as it can be, but for what would gain less than a tenth.
    assert.ok(counts[0]! >= 77 && counts[2]! <= 94, `shards on each node: ${counts}`);
    assert.equal(shards.unhosted, 0);
  });

  test('delivered through any node, read through any node', async () => {
    for (const through of cluster.nodes)
      await Promise.all(users.map((user) => send(through, user, `${user} by ${through.name}`)));
    const wanted = cluster.nodes.map(({ name }) => name);
    for (const through of cluster.nodes)
      await Promise.all(
        users.map(async (user) => {
          assert.deepEqual(
            await subjects(through, user),
            wanted.map((name) => `${user} by ${name}`),
            through.name,
          );
        }),
      );
  });

  test('large messages lie in the directory that the nodes share: delivered and read through any', async () => {
    assert.deepEqual(await blobsIn(shared.path), []);
    const body = 'What does not fit into a row of the store.\r\n'.repeat(8_000);
    for (const through of cluster.nodes) await send(through, 'judy', `large by ${through.name}`, body);
    assert.equal((await blobsIn(shared.path)).length, cluster.nodes.length);
    const wanted = cluster.nodes.map(({ name }) => `large by ${name}`);
    for (const through of cluster.nodes) {
      const texts = (await sources(through, 'judy')).filter((text) => text.length > body.length);
      assert.deepEqual(
        texts.map((text) => /^Subject: (.*)\r$/m.exec(text)?.[1]),
        wanted,
        through.name,
      );
      for (const text of texts) assert.ok(text.endsWith(`\r\n\r\n${body}`), through.name);
    }
  });

  test('POP3 through any node is the same maildrop', async () => {
    await send(cluster.nodes[0]!, 'ivan', 'for POP3');
    // One after another: the maildrop is locked, whichever node the session is on.
    const seen: string[][] = [];
    for (const node of cluster.nodes) seen.push(await popUniqueIds(node, 'ivan'));
    assert.ok(seen[0]!.length > 0);
    for (const other of seen) assert.deepEqual(other, seen[0]);
  });

  test('created on one node, logged in on another at once, removed on a third', async () => {
    const [one, two, three] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess];
    for (let round = 0; round < 5; round++) {
      const user = `new${round}`;
      const body = { address: addressOf(user), password: passwordOf(user) };
      await one.server.admin.call({ method: 'POST', path: '/api/accounts', body });
      assert.deepEqual(await subjects(three, user), []);
      await send(two, user, 'welcome');
      assert.deepEqual(await subjects(three, user), ['welcome']);
      const path = `/api/accounts/${encodeURIComponent(addressOf(user))}`;
      await three.server.admin.call({ method: 'DELETE', path });
      await assert.rejects(subjects(one, user));
      await assert.rejects(send(two, user, 'too late'));
    }
  });

  test('a changed password is the only one, on all nodes, and ends sessions wherever they are', async () => {
    const [one, two, three] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess];
    const session = await LineSession.open(two.port('imap'), two.host);
    await session.line();
    await session.command(`l LOGIN ${addressOf('bob')} "${passwordOf('bob')}"`, 'l OK');
    session.write('i IDLE\r\n');
    await session.until('+');
    const path = `/api/accounts/${encodeURIComponent(addressOf('bob'))}/password`;
    await one.server.admin.call({ method: 'PUT', path, body: { password: 'another one' } });
    await session.until('* BYE');
    session.end();
    await assert.rejects(subjects(three, 'bob'));
    await subjects(two, 'bob', 'another one');
    await one.server.admin.call({ method: 'PUT', path, body: { password: passwordOf('bob') } });
  });

  test('a disabled domain ends sessions of its accounts wherever they are, and no others', async () => {
    const [one, two, three] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess];
    const admin = one.server.admin;
    await admin.call({ method: 'POST', path: '/api/domains', body: { name: 'leaving.test' } });
    const names = ['ann', 'ben', 'cid', 'dot'].map((user) => `${user}@leaving.test`);
    for (const address of names)
      await admin.call({ method: 'POST', path: '/api/accounts', body: { address, password: 'one' } });
    const idle = async (node: NodeProcess, address: string, password: string) => {
      const session = await LineSession.open(node.port('imap'), node.host);
      await session.line();
      await session.command(`l LOGIN ${address} "${password}"`, 'l OK');
      session.write('i IDLE\r\n');
      await session.until('+');
      return session;
    };
    const other = await idle(two, addressOf('bob'), passwordOf('bob'));
    const idling = await Promise.all(
      names.flatMap((address) => cluster.nodes.map((node) => idle(node, address, 'one'))),
    );
    const popping = await LineSession.open(three.port('pop3'), three.host);
    await popping.line();
    await popping.command('USER ann@leaving.test', '+OK');
    await popping.command('PASS one', '+OK');
    const sending = await LineSession.open(two.port('submission'), two.host);
    await sending.reply();
    await sending.reply('EHLO client.test');
    const plain = Buffer.from('\0ben@leaving.test\0one').toString('base64');
    assert.match(await sending.reply(`AUTH PLAIN ${plain}`), /^235 /);

    const path = '/api/domains/leaving.test';
    await admin.call({ method: 'PATCH', path, body: { enabled: false } });
    await Promise.all(idling.map((session) => session.until('* BYE')));
    await assert.rejects(popping.command('NOOP', '+OK'), ServerGone);
    // Nobody tells it: it is asked at the next MAIL, whose node has heard by the store's signal.
    const deadline = performance.now() + 60_000;
    while (!(await sending.reply('MAIL FROM:<ben@leaving.test>')).startsWith('421 ')) {
      assert.ok(performance.now() < deadline, 'still sends');
      assert.match(await sending.reply('RSET'), /^250 /);
    }
    await three.server.admin.call({ method: 'PATCH', path, body: { enabled: true } });
    (await idle(three, names[0]!, 'one')).end();
    other.write('DONE\r\n');
    await other.until('i OK');
    for (const session of [other, ...idling, sending]) session.end();
  });

  test('three nodes deliver at the edge of a quota: never over, and what was acknowledged is there', async () => {
    const quotaMessages = 10;
    const body = { address: addressOf('edge'), password: passwordOf('edge'), quotaMessages };
    await cluster.admin().call({ method: 'POST', path: '/api/accounts', body });
    const tries = cluster.nodes.flatMap((node) => Array.from({ length: 8 }, (_, index) => ({ node, index })));
    const sent = await Promise.allSettled(
      tries.map(({ node, index }) => send(node, 'edge', `${index} by ${node.name}`)),
    );
    const acknowledged = sent.flatMap(({ status }, index) =>
      status === 'fulfilled' ? [`${tries[index]!.index} by ${tries[index]!.node.name}`] : [],
    );
    assert.equal(acknowledged.length, quotaMessages);
    for (const node of cluster.nodes) assert.deepEqual(await subjects(node, 'edge'), acknowledged.sort());
  });

  test('one view for the administrator: each node tells the same', async () => {
    const told = await Promise.all(
      cluster.nodes.map(async (node) => {
        const { nodes, shards, controller } = await cluster.status(node);
        const rows = nodes.map((each) => `${each.node} ${each.state} ${each.shards}`);
        const hosts = await Promise.all(users.map(async (user) => (await cluster.hostOf(user, node))?.name));
        return { rows, shards, controller, hosts };
      }),
    );
    for (const each of told) assert.deepEqual(each, told[0]);
  });

  test('two of three are killed, the controller among them: the third serves every account', async () => {
    const { controller } = await cluster.status();
    const first = cluster.nodes.find(({ name }) => name === controller?.node)!;
    const [second, last] = cluster.nodes.filter((node) => node !== first) as [NodeProcess, NodeProcess];
    await Promise.all([first.kill(), second.kill()]);
    // At once: clients wait as long as it takes.
    await Promise.all(
      users.map(async (user) => {
        await send(last, user, 'to the last one');
        assert.ok((await subjects(last, user)).includes('to the last one'));
      }),
    );
    await cluster.until('all accounts are on one node', ({ shards }) => shards.unhosted === 0, last);
    assert.equal((await cluster.status(last)).controller?.node, last.name);
  });
});

async function send(
  through: NodeProcess,
  user: string,
  subject: string,
  text = `${subject}\r\n`,
): Promise<void> {
  const transport = createTransport({ host: through.host, port: through.port('mx'), ignoreTLS: true });
  const [from, to] = ['sender@example.org', addressOf(user)];
  await transport.sendMail({ from, to, subject, text });
  transport.close();
}

/** Sorted, of all messages in INBOX. */
async function subjects(through: NodeProcess, user: string, pass = passwordOf(user)): Promise<string[]> {
  const found: string[] = [];
  for (const { envelope } of await inbox(through, user, { pass, query: { envelope: true } }))
    found.push(envelope?.subject ?? '');
  return found.sort();
}

async function sources(through: NodeProcess, user: string): Promise<string[]> {
  const query = { source: true };
  const messages = await inbox(through, user, { pass: passwordOf(user), query });
  return messages.map(({ source }) => source!.toString('latin1'));
}

async function inbox(
  through: NodeProcess,
  user: string,
  { pass, query }: { readonly pass: string; readonly query: FetchQueryObject },
): Promise<FetchMessageObject[]> {
  const client = new ImapFlow({
    host: through.host,
    port: through.port('imap'),
    secure: false,
    doSTARTTLS: false,
    auth: { user: addressOf(user), pass },
    logger: false,
  });
  await client.connect();
  const { exists } = await client.mailboxOpen('INBOX');
  const found = exists > 0 ? await client.fetchAll('1:*', query) : [];
  await client.logout();
  return found;
}

async function blobsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  // Without the directory's mark.
  return entries.filter((entry) => entry.isFile() && entry.parentPath !== folder).map(({ name }) => name);
}

async function popUniqueIds(through: NodeProcess, user: string): Promise<string[]> {
  const session = await LineSession.open(through.port('pop3'), through.host);
  await session.line();
  await session.command(`USER ${addressOf(user)}`, '+OK');
  await session.command(`PASS ${passwordOf(user)}`, '+OK');
  session.write('UIDL\r\n');
  const lines = await session.until('.');
  await session.command('QUIT', '+OK');
  session.end();
  return lines.slice(1, -1);
}
