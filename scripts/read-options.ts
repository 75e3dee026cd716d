// How every program of the checkout that takes options reads its command line (`rookery` itself: src/operator/program.ts):
// --help prints the usage on stdout and ends with 0; what is not right is told in one line on stderr, and the program ends with 2
// before it has done anything.

import { type Command, CommanderError, InvalidArgumentError } from 'commander';
import { exitCodes } from '../src/operator/exit-codes.ts';

/** Returns only when the command line is right. `Options` is what the program's declarations give. */
export function readOptions<Options>(program: Command): Options {
  program.exitOverride().configureOutput({
    outputError: (text, write) =>
      write(`${text.trim().replaceAll('\n', ' ')} (--help shows what there is)\n`),
  });
  try {
    return program.parse().opts() as Options;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exit(error.exitCode === 0 ? exitCodes.success : exitCodes.usage);
  }
}

/** A table for the end of the usage: a line for each name, with what it means. */
export function usageTable(heading: string, meanings: Readonly<Record<string, string>>): string {
  const entries = Object.entries(meanings);
  const width = Math.max(...entries.map(([name]) => name.length));
  return ['', `${heading}:`, ...entries.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`)].join('\n');
}

/** For an option's value: a whole number that is not below `min`. */
export function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    if (!/^\d{1,15}$/.test(text) || Number(text) < min)
      throw new InvalidArgumentError(`expected a whole number, ${min} or more`);
    return Number(text);
  };
}

/** An option's value. */
export function positiveNumber(text: string): number {
  const number = Number(text);
  if (!(number > 0 && Number.isFinite(number))) throw new InvalidArgumentError('expected a number above 0');
  return number;
}

/** For an option's value: names with commas between them, each as `parse` has it. */
export function listOf(parse: (name: string) => string): (text: string) => string[] {
  return (text) => text.split(',').map(parse);
}
