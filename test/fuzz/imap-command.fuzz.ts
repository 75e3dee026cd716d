// IMAP commands: any octets give commands, refusals or a wish for more, the same however they are cut into
// reads; what a command repeats in answers (tags, labels) is harmless.

import assert from 'node:assert/strict';
import type { Command } from '../../src/wire/imap/command.ts';
import type { CommandReaderLimits } from '../../src/wire/imap/command-reader.ts';
import { imapTranscripts } from '../imap-command-seeds.ts';
import { type Outcome, runCommands } from '../imap-command-stream.ts';
import type { FuzzTarget } from './fuzz-target.ts';

/** Small, so that the limits are met. */
const limits: CommandReaderLimits = {
  textBytesMax: 2048,
  literalBytesMax: 256,
  literalsMax: 4,
  messageBytesMax: 1024,
  skipBytesMax: 2048,
};

export const target: FuzzTarget = {
  name: 'imap-command',
  seeds: () => imapTranscripts.map((transcript) => Buffer.from(transcript, 'latin1')),
  run(input) {
    // The first octet chooses the session; the seeds' first octets choose too, which is as good as any.
    const choice = input[0] ?? 0;
    const options = {
      utf8: (choice & 1) === 1,
      limits,
      refuses: (bytes: number) => bytes % 3 === choice % 3,
    };
    const whole = runCommands(input, options);
    assert.deepEqual(runCommands(input, { ...options, readSize: () => 1 }), whole);
    let state = choice + 1;
    const readSize = () => {
      state = (state * 1103515245 + 12345) & 0x7fffffff;
      return state % 17;
    };
    assert.deepEqual(runCommands(input, { ...options, readSize }), whole);
    for (const outcome of whole) checkOutcome(outcome);
  },
};

function checkOutcome(outcome: Outcome): void {
  if ('tag' in outcome && outcome.tag !== undefined) assert.match(outcome.tag, /^[!#$&',-[\]^-z|}~]+$/);
  if ('syntax' in outcome) assert.match(outcome.syntax, /^[ -~]+$/);
  if ('command' in outcome) checkCommand(outcome.command);
}

function checkCommand(command: Command): void {
  assert.match(command.tag, /^[!#$&',-[\]^-z|}~]+$/);
  if (command.name === 'FETCH') {
    assert(command.items.length > 0);
    for (const item of command.items) assert.match(item.label, /^[ -~]+$/);
  }
  if (command.name === 'LIST') assert(command.patterns.length > 0);
  if (command.name === 'APPEND') {
    for (const message of command.messages.filter(({ catenate }) => catenate === undefined))
      assert.equal(
        message.chunks.reduce((sum, chunk) => sum + chunk.length, 0),
        message.size,
      );
  }
}
