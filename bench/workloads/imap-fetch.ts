// FETCH of a whole mailbox of 10,000 mixed messages: flags and sizes, envelopes and structures (first and warm), all bodies.

import { LineClient } from '../line-client.ts';
import { messages } from '../message-mix.ts';
import { median } from '../statistics.ts';
import type { TargetPlace } from '../target.ts';
import { deliverAll } from './lmtp.ts';
import type { Figure, Workload } from './workload.ts';

const mailboxMessages = 10_000;
const batch = 1000;

async function fill(target: TargetPlace, count: number): Promise<number> {
  let bytes = 0;
  for (let done = 0; done < count; done += batch) {
    const bodies = messages('mix', Math.min(batch, count - done), 1000 + done);
    bytes += bodies.reduce((sum, body) => sum + body.length, 0);
    await deliverAll(target.ports.lmtp, bodies, {
      greeting: 'LHLO',
      recipient: () => `fetch@${target.domain}`,
    });
  }
  return bytes;
}

async function select(target: TargetPlace): Promise<LineClient> {
  const client = await LineClient.open(target.ports.imap);
  await client.lastLine('* OK');
  await client.command(`a LOGIN fetch@${target.domain} ${target.password}\r\n`, 'a OK');
  await client.command('a SELECT INBOX\r\n', 'a OK');
  return client;
}

async function timed(client: LineClient, command: string): Promise<{ ms: number; bytes: number }> {
  const before = client.received;
  const startedAt = performance.now();
  await client.command(`x ${command}\r\n`, 'x OK');
  return { ms: performance.now() - startedAt, bytes: client.received - before };
}

async function repeated(
  client: LineClient,
  command: string,
  times: number,
): Promise<{ ms: number; bytes: number }> {
  const runs: { ms: number; bytes: number }[] = [];
  for (let run = 0; run < times; run++) runs.push(await timed(client, command));
  return { ms: median(runs.map((run) => run.ms)), bytes: runs[0]!.bytes };
}

const milliseconds = (name: string, value: number): Figure => ({ name, value, unit: 'ms', better: 'lower' });

export const imapFetch: Workload = async (target, { scale }) => {
  const count = Math.ceil(mailboxMessages * scale);
  await fill(target, count);
  const client = await select(target);
  const structures = 'FETCH 1:* (ENVELOPE BODYSTRUCTURE)';
  const first = await timed(client, structures);
  const warm = await repeated(client, structures, 5);
  const flags = await repeated(client, 'FETCH 1:* (FLAGS UID RFC822.SIZE)', 9);
  const fields = await repeated(client, 'FETCH 1:* BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)]', 3);
  const headers = await repeated(client, 'FETCH 1:* BODY.PEEK[HEADER]', 3);
  await timed(client, 'FETCH 1:* BODY.PEEK[]');
  const bodies = await repeated(client, 'FETCH 1:* BODY.PEEK[]', 3);
  client.end();
  const of = `of ${count}`;
  return [
    milliseconds(`imap FETCH (FLAGS UID RFC822.SIZE) ${of}`, flags.ms),
    milliseconds(`imap FETCH (ENVELOPE BODYSTRUCTURE) ${of}, first`, first.ms),
    milliseconds(`imap FETCH (ENVELOPE BODYSTRUCTURE) ${of}, warm`, warm.ms),
    milliseconds(`imap FETCH BODY.PEEK[HEADER.FIELDS (…)] ${of}`, fields.ms),
    milliseconds(`imap FETCH BODY.PEEK[HEADER] ${of}`, headers.ms),
    {
      name: `imap FETCH BODY.PEEK[] ${of}, warm`,
      value: bodies.bytes / bodies.ms / 1000,
      unit: 'MB/s',
      better: 'higher',
    },
  ];
};
