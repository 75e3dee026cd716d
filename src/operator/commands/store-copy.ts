// rookery store copy: moves a store from one engine to another while no server uses either.

import type { Command } from 'commander';
import { Fault } from '../../base/fault.ts';
import { isMailError } from '../../mail/mail-error.ts';
import type { CopyProgress } from '../../storage/copy/copy-store.ts';
import { CommandFailure, exitCodes } from '../exit-codes.ts';
import { type Output, openOutput } from '../output.ts';
import { openProgress, type Progress } from '../progress.ts';
import type { CopyStores, StoreCopyOutcome } from '../store-copying.ts';

interface CopyCommandOptions {
  readonly from: string;
  readonly to: string;
  readonly fromBlobs?: string;
  readonly toBlobs?: string;
  readonly skipDamaged?: boolean;
  readonly json?: boolean;
}

export function addStoreCopyCommand(program: Command, copy: CopyStores): void {
  const store =
    program.commands.find((command) => command.name() === 'store') ??
    program.command('store').description('the message store');
  store
    .command('copy')
    .description('copy a whole store to another engine, with no server running; run again, it goes on')
    .requiredOption(
      '--from <store>',
      '"lmdb:DIR" (DIR: the data directory) or "postgres://user@host/database"',
    )
    .requiredOption('--to <store>', 'an empty one, named likewise')
    .option(
      '--from-blobs <dir>',
      "where the source's large messages are, when not in DIR/blobs or the engine",
    )
    .option(
      '--to-blobs <where>',
      '"engine", or a directory; default: DIR/blobs with lmdb, "engine" with postgres',
    )
    .option('--skip-damaged', 'go on without large messages that cannot be read at the source')
    .action(async (_options: object, command: Command) => {
      const options = command.optsWithGlobals<CopyCommandOptions>();
      const output = openOutput({
        json: options.json === true,
        write: (text) => process.stdout.write(text),
        interactive: process.stderr.isTTY === true,
      });
      const bars = new CopyBars(output.interactive && !output.json);
      try {
        const { from, to, fromBlobs, toBlobs, skipDamaged = false } = options;
        const progress = (now: CopyProgress): void => bars.update(now);
        const outcome = await copy({ from, to, fromBlobs, toBlobs, skipDamaged, progress });
        bars.stop();
        tell(outcome, output);
        if (outcome.damaged.length > 0) process.exitCode = exitCodes.damaged;
      } catch (error) {
        if (isMailError(error, 'invalidArgument')) throw new CommandFailure(error.message, exitCodes.usage);
        if (error instanceof Fault || isMailError(error)) throw new CommandFailure(error.message);
        throw error;
      } finally {
        bars.stop();
      }
    });
}

const mebibyte = 1024 * 1024;
const nouns = { copying: 'MiB copied', verifying: 'MiB read back' } as const;

/** One bar for the copying, and one for reading back. */
class CopyBars {
  readonly #interactive: boolean;
  #phase: CopyProgress['phase'] | undefined;
  #bar: Progress | undefined;

  constructor(interactive: boolean) {
    this.#interactive = interactive;
  }

  update({ phase, bytes, bytesTotal }: CopyProgress): void {
    if (phase !== this.#phase) {
      this.stop();
      this.#phase = phase;
      // How much there is, is what it finds out.
      if (phase !== 'reading') this.#bar = openProgress(nouns[phase], this.#interactive);
      else if (this.#interactive) process.stderr.write('reading the source\n');
    }
    this.#bar?.update(Math.ceil(bytes / mebibyte), Math.ceil(bytesTotal / mebibyte));
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

function tell(outcome: StoreCopyOutcome, output: Output): void {
  if (output.json) {
    output.record({ ...outcome });
    return;
  }
  const { rows, bytes, blobs, blobBytes, digest, resumed, damaged } = outcome;
  const mail = `${rows} rows (${bytes} bytes) and ${blobs} large messages (${blobBytes} bytes)`;
  output.say(`${resumed ? 'went on, and ' : ''}copied and read back ${mail}`);
  output.say(`SHA-256 of the rows: ${digest}`);
  for (const blob of damaged) output.say(`not copied, because it cannot be read: ${blob}`);
  output.say(`\nThe configuration for the copy:\n\n${toml(outcome)}`);
  for (const line of nextSteps(outcome)) output.say(line);
}

function toml({ configuration: { data, storage } }: StoreCopyOutcome): string {
  const lines = Object.entries(storage).map(([key, value]) => `    ${key} = ${JSON.stringify(value)}`);
  const head = data === undefined ? [] : [`    data = ${JSON.stringify(data)}`, ''];
  return `${[...head, '    [storage]', ...lines].join('\n')}\n`;
}

function nextSteps({ leftBehind, nodes }: StoreCopyOutcome): string[] {
  const steps = [
    'Start the server with it (rookery serve), run `rookery store check`, and keep the old store until you are sure.',
    'Never serve both: mail that comes to the one is not in the other.',
  ];
  if (leftBehind.cluster > 0 || leftBehind.authority > 0)
    steps.push(
      'The cluster that the old store belonged to did not come along: `rookery cluster init` makes one here.',
    );
  for (const data of nodes)
    steps.push(
      `${data} is that of a node of that cluster: remove ${data}/cluster before you start it on the copy.`,
    );
  return steps;
}
