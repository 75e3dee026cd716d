// What attacks on a whole server have in common: clients of every protocol, and the proof that it came to no harm: it still
// takes mail and shows it, ends in order, and logged no error.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { addressOf, passwordOf, type ServerProcess } from '../server-process.ts';

export const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** A greeted SMTP or LMTP client. */
export async function smtp(port: number, hello = 'EHLO client.example'): Promise<TestClient> {
  const client = await TestClient.connect(port);
  await client.reply();
  client.send(hello);
  await client.reply();
  return client;
}

/** A POP3 client in TRANSACTION. */
export async function pop3(server: ServerProcess, user: string): Promise<TestClient> {
  const client = await TestClient.connect(server.ports.pop3);
  await client.line();
  assert.match(await ask(client, `USER ${addressOf(user)}`), /^\+OK/);
  assert.match(await ask(client, `PASS ${passwordOf(user)}`), /^\+OK/);
  return client;
}

/** Sends a line and gives the first line of the answer; '' when there is none any more. */
export async function ask(client: TestClient, line: string): Promise<string> {
  client.send(line);
  return (await client.line()) ?? '';
}

/** Sends a line and gives the whole SMTP reply. */
export async function command(client: TestClient, line: string): Promise<string> {
  client.send(line);
  return (await client.reply()).join('\n');
}

/** Puts a message into the INBOX of `user` by LMTP. */
export async function deliver(server: ServerProcess, user: string, message: string): Promise<void> {
  using client = await smtp(server.ports.lmtp, 'LHLO relay.example');
  for (const line of ['MAIL FROM:<sender@elsewhere.test>', `RCPT TO:<${addressOf(user)}>`, 'DATA']) {
    assert.match(await command(client, line), /^[23]/);
  }
  client.write(`${message}\r\n.\r\n`);
  assert.match((await client.reply()).join(), /^250/);
}

/** The messages of an INBOX, as POP3 shows them, without dot-stuffing undone. */
export async function messagesOf(server: ServerProcess, user: string): Promise<string[]> {
  using client = await pop3(server, user);
  const count = Number((await ask(client, 'STAT')).split(' ')[1]);
  const messages: string[] = [];
  for (let number = 1; number <= count; number++) {
    assert.match(await ask(client, `RETR ${number}`), /^\+OK/);
    const lines: string[] = [];
    for (let line = await client.line(); line !== '.' && line !== undefined; line = await client.line()) {
      lines.push(line);
    }
    messages.push(lines.join('\r\n'));
  }
  await ask(client, 'QUIT');
  return messages;
}

/** A value of /metrics, summed over the series whose labels hold `label`. */
export async function metric(server: ServerProcess, name: string, label = ''): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${server.ports.admin}/metrics`);
  const lines = (await response.text()).split('\n');
  const series = lines.filter((line) => /^[a-z0-9_]+/.exec(line)?.[0] === name && line.includes(label));
  return series.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

/** Waits until nobody but ourselves is connected to a listener. */
export async function forgotten(server: ServerProcess, listener: string): Promise<void> {
  while ((await metric(server, 'rookery_connections_open', `listener="${listener}"`)) > 0);
}

/** Resident memory of the server's process (Linux; elsewhere 0, and nothing is shown). */
export function residentBytes(server: ServerProcess): number {
  try {
    return Number(readFileSync(`/proc/${server.pid}/statm`, 'latin1').split(' ')[1]) * 4096;
  } catch {
    // Not Linux.
    return 0;
  }
}

/** The end of every attack. `alice` must exist. */
export async function unharmed(server: ServerProcess): Promise<void> {
  const marker = `alive ${Date.now()}`;
  await deliver(server, 'alice', `Subject: ${marker}\r\n\r\nStill here.`);
  const messages = await messagesOf(server, 'alice');
  assert(messages.some((message) => message.includes(`Subject: ${marker}`)));
  await server.stop();
}
