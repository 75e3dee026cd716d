// Every command that the speaker knows is among the seeds of the fuzz targets.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandTable } from '../src/speakers/imap/command-table.ts';
import { imapTranscripts } from './imap-command-seeds.ts';
import { runCommands } from './imap-command-stream.ts';

test('every command of the table has a seed', () => {
  const seeded = new Set<string>();
  for (const transcript of imapTranscripts) {
    for (const outcome of runCommands(transcript)) if ('command' in outcome) seeded.add(outcome.command.name);
  }
  assert.deepEqual([...seeded].sort(), Object.keys(commandTable).sort());
});
