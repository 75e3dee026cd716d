// A filled mailbox and one client in it: what the workloads that look at a mailbox share.

import { LineClient } from './line-client.ts';
import { type MixName, messages } from './message-mix.ts';
import { median } from './statistics.ts';
import type { TargetPlace } from './target.ts';
import { deliverAll } from './workloads/lmtp.ts';
import type { Figure } from './workloads/workload.ts';

/** Made and sent in pieces, so that the generator's memory stays small. */
const batch = 1000;

/** Delivers `count` messages to the user; the same seed gives the same messages. */
export async function fillMailbox(
  target: TargetPlace,
  { user, count, seed, mix = 'mix' }: { user: string; count: number; seed: number; mix?: MixName },
): Promise<void> {
  for (let done = 0; done < count; done += batch) {
    const bodies = messages(mix, Math.min(batch, count - done), seed + done);
    await deliverAll(target.ports.lmtp, bodies, {
      greeting: 'LHLO',
      recipient: () => `${user}@${target.domain}`,
    });
  }
}

export async function login(target: TargetPlace, user: string, { secure = false } = {}): Promise<LineClient> {
  const port = secure ? target.ports.imaps : target.ports.imap;
  if (port === undefined) throw new Error(`${target.name} has no TLS`);
  const client = await LineClient.open(port, { secure });
  await client.lastLine('* OK');
  await client.command(`a LOGIN ${user}@${target.domain} ${target.password}\r\n`, 'a OK');
  return client;
}

/** Logged in, with its INBOX selected. */
export async function openMailbox(target: TargetPlace, user: string): Promise<LineClient> {
  const client = await login(target, user);
  await client.command('a SELECT INBOX\r\n', 'a OK');
  return client;
}

/** Selects INBOX again to see. */
export async function messageCount(client: LineClient): Promise<number> {
  client.keep();
  await client.command('a SELECT INBOX\r\n', 'a OK');
  return Number(/^\* (\d+) EXISTS/m.exec(client.kept().toString('latin1'))?.[1]);
}

export interface Timed {
  readonly ms: number;
  /** Of the answer. */
  readonly bytes: number;
}

export async function timed(client: LineClient, command: string): Promise<Timed> {
  const before = client.received;
  const startedAt = performance.now();
  await client.command(`x ${command}\r\n`, 'x OK');
  return { ms: performance.now() - startedAt, bytes: client.received - before };
}

/** The median of several; between two of them `between` undoes what the command did. */
export async function repeated(
  client: LineClient,
  command: string,
  { times, between }: { times: number; between?: string },
): Promise<Timed> {
  const runs: Timed[] = [];
  for (let run = 0; run < times; run++) {
    runs.push(await timed(client, command));
    if (between !== undefined) await timed(client, between);
  }
  return { ms: median(runs.map((run) => run.ms)), bytes: runs[0]!.bytes };
}

export function milliseconds(name: string, value: number): Figure {
  return { name, value, unit: 'ms', better: 'lower' };
}

export function microseconds(name: string, ms: number): Figure {
  return { name, value: ms * 1000, unit: 'µs', better: 'lower' };
}
