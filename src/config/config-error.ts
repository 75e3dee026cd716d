// What is wrong with a configuration, told so that the reader can mend it: file, line, key, what was expected, the
// nearest right key. Loading collects all problems before it fails.

export interface ConfigProblem {
  /** The file, or `--set` for a command-line override. */
  readonly source: string;
  /** 1-based; undefined for overrides and missing keys. */
  readonly line: number | undefined;
  /** Dotted. */
  readonly key: string;
  readonly message: string;
}

export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(formatConfigProblem).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

export function formatConfigProblem(problem: ConfigProblem): string {
  const place = problem.line === undefined ? problem.source : `${problem.source}:${problem.line}`;
  return problem.key === '' ? `${place}: ${problem.message}` : `${place}: ${problem.key}: ${problem.message}`;
}
