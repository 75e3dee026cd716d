// Completion for bash and zsh, generated from the commands there are. Words depend on the command path typed so far.

import type { Command } from 'commander';
import { CommandFailure, exitCodes } from './exit-codes.ts';

interface CompletionEntry {
  readonly path: string;
  readonly words: readonly string[];
}

function entries(command: Command, path: string): CompletionEntry[] {
  const shown = command.options.filter(({ hidden }) => !hidden);
  const options = shown.map((option) => option.long ?? option.short ?? '');
  const words = [...command.commands.map((child) => child.name()), ...options, '--help'].filter(
    (word) => word !== '',
  );
  return [
    { path, words },
    ...command.commands.flatMap((child) => entries(child, `${path} ${child.name()}`.trim())),
  ];
}

/** Refuses a shell it does not know. */
export function completionScript(program: Command, shell: string): string {
  if (shell !== 'bash' && shell !== 'zsh')
    throw new CommandFailure(`no completion for "${shell}": bash or zsh`, exitCodes.usage);
  const cases = entries(program, '').map(
    (entry) => `    '${entry.path}') words='${entry.words.join(' ')}' ;;`,
  );
  const names = entries(program, '').map((entry) => `'${entry.path}'`);
  // What both shells understand: in zsh `path` is the search path, and a slice's bounds have to be numbers or $((…)).
  const script = [
    '_rookery() {',
    '  local current="${COMP_WORDS[COMP_CWORD]}" typed="" words="" word candidate known',
    `  local known_paths=(${names.join(' ')})`,
    '  for word in "${COMP_WORDS[@]:1:$((COMP_CWORD-1))}"; do',
    '    candidate="${typed:+$typed }$word"',
    '    for known in "${known_paths[@]}"; do [ "$known" = "$candidate" ] && typed="$candidate"; done',
    '  done',
    '  case "$typed" in',
    ...cases,
    '  esac',
    '  if [[ "$current" == -* || -n "$words" ]]; then COMPREPLY=($(compgen -W "$words" -- "$current")); fi',
    '  [ ${#COMPREPLY[@]} -eq 0 ] && COMPREPLY=($(compgen -f -- "$current"))',
    '}',
    'complete -F _rookery rookery',
    '',
  ].join('\n');
  return shell === 'bash' ? script : `autoload -U +X bashcompinit && bashcompinit\n${script}`;
}
