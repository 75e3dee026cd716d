// The page docs/command-line.md, from the command line itself, so that it says what the program does.

import type { Command } from 'commander';
import { exitCodes } from '../src/operator/exit-codes.ts';
import { buildProgram } from '../src/operator/program.ts';
import { addQuickstartCommand } from '../src/operator/quickstart.ts';
import { addServeCommand } from '../src/operator/serve.ts';

const meanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  success: 'done',
  failure: 'the server refused, or the command failed; standard error says why and what to do next',
  usage: 'the command line is not right',
  unreachable: 'the server cannot be reached',
  notFound: 'what was named does not exist',
  damaged: '`store check` found damage',
  configuration: 'the configuration is not right',
};

/** Never called: the page is written without starting anything. */
const noServer = (): never => {
  throw new Error('the reference starts no server');
};

function optionRows(command: Command): string {
  const rows = command.options.map(
    (option) => `| \`${option.flags.replaceAll('|', '\\|')}\` | ${option.description} |`,
  );
  return rows.length === 0 ? '' : `| option | |\n| --- | --- |\n${rows.join('\n')}\n\n`;
}

/** One section for each command that does something. */
function sections(command: Command, path: string): string {
  const name = `${path} ${command.name()}`.trim();
  const children = command.commands.filter((child) => child.name() !== 'help');
  if (children.length > 0) return children.map((child) => sections(child, name)).join('');
  const synopsis = `${name} ${command.usage().replace('[options]', '').trim()}`.trim();
  return `## \`${synopsis}\`\n\n${command.description()}.\n\n${optionRows(command)}`;
}

/** The page as Markdown. */
export function commandReference(): string {
  const addServing = (serving: Command): void => {
    addServeCommand(serving, noServer);
    addQuickstartCommand(serving, noServer);
  };
  const program = buildProgram({ version: '', addServing });
  const codes = Object.entries(exitCodes).map(
    ([name, code]) => `| ${code} | ${meanings[name as keyof typeof exitCodes]} |`,
  );
  return `# The command line

<!-- Generated from src/operator by \`npm run docs\`; do not edit. -->

\`rookery COMMAND\` (in a checkout \`node bin/rookery.js COMMAND\`) administers the running server through its admin API: over the socket
in the data directory, or with \`--server URL --token TOKEN\` from elsewhere. These options go with every command:

${optionRows(program)}| exit code | |
| --- | --- |
${codes.join('\n')}

${sections(program, '').trimEnd()}
`;
}
