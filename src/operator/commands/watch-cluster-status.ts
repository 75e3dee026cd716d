// `rookery cluster status --watch`: the table anew each second, in place on a terminal, one after another elsewhere. A server
// that cannot be reached meanwhile is told in its place and asked again: nodes are stopped and killed while one watches.
// A server that cannot be reached at first is a failure as with every command.

import { systemClock } from '../../base/clock.ts';
import { CommandFailure, exitCodes } from '../exit-codes.ts';
import type { CommandContext } from '../program-context.ts';
import { type ClusterBody, formatClusterStatus } from './cluster-status.ts';

/** Ends at Ctrl-C. */
export async function watchClusterStatus(context: CommandContext, intervalMs: number): Promise<void> {
  let isOver = false;
  const stop = new Promise<void>((resolve) => {
    const end = (): void => {
      isOver = true;
      resolve();
    };
    process.once('SIGINT', end);
    process.once('SIGTERM', end);
    // Its reader has gone: | head.
    process.stdout.once('error', end);
  });
  let isFirst = true;
  while (!isOver) {
    const text = await shown(context, isFirst);
    if (isOver) break;
    process.stdout.write(process.stdout.isTTY === true ? inPlace(text, isFirst) : `${text}\n`);
    isFirst = false;
    await Promise.race([stop, systemClock.sleep(intervalMs)]);
  }
}

async function shown({ client, output }: CommandContext, isFirst: boolean): Promise<string> {
  try {
    const status = await client.call<ClusterBody>({ path: '/api/cluster' });
    return output.json ? JSON.stringify(status) : `${formatClusterStatus(status)}\n`;
  } catch (error) {
    const isAway = error instanceof CommandFailure && error.exitCode === exitCodes.unreachable;
    if (isFirst || !isAway) throw error;
    return output.json ? JSON.stringify({ error: error.message }) : `${error.message}\n`;
  }
}

/** Over what was there, without clearing it first, which would flicker. */
function inPlace(text: string, isFirst: boolean): string {
  const home = isFirst ? '\x1b[2J\x1b[H' : '\x1b[H';
  return `${home}${text.replaceAll('\n', '\x1b[K\n')}\x1b[J`;
}
