// docs/operations.md as a program: its sections with the blocks that can be run, each for the machines that its first line
// names. A block of a language that is run and without such a line is a mistake in the page.

export interface RunbookBlock {
  readonly language: 'sh' | 'sql' | 'toml' | 'ini';
  readonly machines: readonly string[];
  /** The file that a toml or ini block is the text of. */
  readonly path: string | undefined;
  /** Without the first line. */
  readonly text: string;
}

export interface RunbookSection {
  readonly heading: string;
  readonly blocks: readonly RunbookBlock[];
}

const languages = ['sh', 'sql', 'toml', 'ini'] as const;

export function parseRunbook(markdown: string): RunbookSection[] {
  return markdown
    .split(/^## /m)
    .slice(1)
    .map((section) => ({ heading: section.slice(0, section.indexOf('\n')), blocks: blocksOf(section) }));
}

function blocksOf(section: string): RunbookBlock[] {
  return [...section.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, name, text]) => {
    const language = languages.find((each) => each === name);
    return language === undefined ? [] : [parseBlock(language, text!)];
  });
}

function parseBlock(language: RunbookBlock['language'], all: string): RunbookBlock {
  const end = all.indexOf('\n');
  const [first, text] = [all.slice(0, end), all.slice(end + 1)];
  const isFile = language === 'toml' || language === 'ini';
  const match = isFile ? /^# ([\w, ]+): (\/\S+)$/.exec(first) : /^(?:#|--) on ([\w, ]+)$/.exec(first);
  if (match === null) throw new Error(`a block of ${language} does not say where it is for: ${first}`);
  return { language, machines: match[1]!.split(', '), path: isFile ? match[2] : undefined, text };
}

/** The commands of a sh block: lines, with continued ones joined. */
export function commandsOf({ text }: RunbookBlock): string[] {
  return text
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** The statements of a sql block. */
export function statementsOf({ text }: RunbookBlock): string[] {
  return text
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}
