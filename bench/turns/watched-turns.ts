// Watches the event loop of a server's process from outside: the turn monitor is loaded into it through the inspector, so that
// nothing of it is there while other things are measured.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RookeryProcess } from '../targets/rookery.ts';
import type { TurnsReport } from './turn-monitor.ts';

const monitorFile = JSON.stringify(fileURLToPath(new URL('./turn-monitor.ts', import.meta.url)));
const load = `process.getBuiltinModule('node:module').createRequire(${monitorFile})(${monitorFile})`;

export async function watchTurns(
  server: RookeryProcess,
  options: { readonly profile?: boolean } = {},
): Promise<void> {
  const given = JSON.stringify({ ...options, reportFile: reportFile(server) });
  await server.evaluate(`globalThis.rookeryTurns ?? ${load}; rookeryTurns.start(${given}); 'watching'`);
}

function reportFile({ data }: RookeryProcess): string {
  return join(data, 'turns.json');
}

/** What ran until the server ended. */
export function turnsUntilEnd(server: RookeryProcess): TurnsReport {
  return JSON.parse(readFileSync(reportFile(server), 'utf8')) as TurnsReport;
}

/** What ran since; the watch ends. */
export async function turnsOf(server: RookeryProcess): Promise<TurnsReport> {
  const report = await server.evaluate('JSON.stringify(rookeryTurns.report())');
  if (typeof report !== 'string') throw new Error('the server is not watched');
  return JSON.parse(report) as TurnsReport;
}
