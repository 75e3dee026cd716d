// docs/command-line.md, generated from the commands there are. A unit test compares the page with this.

import type { Command } from 'commander';
import { exitCodes } from './exit-codes.ts';

const exitCodeMeanings: Record<keyof typeof exitCodes, string> = {
  success: 'Done.',
  failure: 'The server refused, or the command failed; standard error says why and what to do next.',
  usage: 'The command line is not right.',
  unreachable: 'The server cannot be reached.',
  notFound: 'What was named does not exist.',
  damaged: '`store check` found damage.',
  configuration:
    'The configuration is not right; each problem is told with its file and line. Or this machine is not a node of its cluster any more. To start it again is of no use.',
};

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

function pathOf(command: Command): string {
  const parent = command.parent;
  return parent === null ? command.name() : `${pathOf(parent)} ${command.name()}`;
}

function optionLines(command: Command): string[] {
  const shown = command.options.filter(({ hidden }) => !hidden);
  return shown.map((option) => {
    const required = option.mandatory ? ' (required)' : '';
    return `- \`${option.flags}\`: ${option.description}${required}`;
  });
}

function section(command: Command): string {
  const args = command.registeredArguments.map((argument) => {
    const name = argument.variadic ? `${argument.name()}...` : argument.name();
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  const options = optionLines(command);
  const head = `## \`${[pathOf(command), ...args].join(' ')}\`\n\n${command.description()}\n`;
  return options.length === 0 ? head : `${head}\n${options.join('\n')}\n`;
}

export function commandReference(program: Command): string {
  const codes = Object.entries(exitCodes).map(
    ([name, code]) => `| ${code} | ${exitCodeMeanings[name as keyof typeof exitCodes]} |`,
  );
  return `# Command line

<!-- Generated from src/operator by \`npm run docs\`; do not edit. -->

\`rookery\` starts servers (\`serve\`, \`quickstart\`) and administers running ones through their admin API: over the socket
\`admin.sock\` in the data directory (\`--data\`), which only its owner can open, or over HTTP with a token (\`--server\`,
\`--token\`).

Options of every command:

${optionLines(program).join('\n')}

The environment may give their values: \`ROOKERY_DATA\`, \`ROOKERY_SERVER\`, \`ROOKERY_TOKEN\`.

| exit code | meaning |
| --- | --- |
${codes.join('\n')}

With \`--json\` a failure is JSON too, on standard error: \`{"error":"there is no account …","exitCode":4}\`. Mistakes in the command
line itself are told as text. Times in JSON are seconds since 1970.

Completion: \`source <(rookery completion bash)\`, or \`zsh\`.

${leaves(program).map(section).join('\n')}`;
}
