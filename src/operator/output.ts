// What commands print: tables for people, JSON for programs (--json). Results go to standard output, all else to standard error.

export interface Output {
  readonly json: boolean;
  /** True when a person watches: progress bars, colours. */
  readonly interactive: boolean;
  /** One object. */
  record(value: Record<string, unknown>): void;
  /** A list; `columns` are the keys a person wants to see. */
  table(rows: readonly Record<string, unknown>[], columns: readonly string[]): void;
  /** A line for people; nothing with --json. */
  say(text: string): void;
}

/** "2026-11-22T17:01:35Z". */
export function formatTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000', '');
}

/** Seconds since 1970 in the API's answers. */
const timeKeyPattern = /(?:At|Date)$/;

function cell(key: string, value: unknown): string {
  if (timeKeyPattern.test(key) && typeof value === 'number') return formatTime(value);
  if (value === null || value === undefined) return '-';
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.join(' ');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return String(value);
}

/** The caption of a column: "quotaBytes" → "QUOTA BYTES". */
function caption(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => ` ${letter}`).toUpperCase();
}

export function formatTable(rows: readonly Record<string, unknown>[], columns: readonly string[]): string {
  const lines = [
    columns.map(caption),
    ...rows.map((row) => columns.map((column) => cell(column, row[column]))),
  ];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index]!.length)));
  return lines
    .map((line) =>
      line
        .map((text, index) => text.padEnd(widths[index]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function openOutput(options: {
  json: boolean;
  write: (text: string) => void;
  interactive: boolean;
}): Output {
  const { json, write, interactive } = options;
  return {
    json,
    interactive,
    record: (value) => {
      if (json) write(`${JSON.stringify(value, null, 2)}\n`);
      else
        for (const [key, member] of Object.entries(value))
          write(`${`${key}:`.padEnd(16)} ${cell(key, member)}\n`);
    },
    table: (rows, columns) => {
      if (json) write(`${JSON.stringify(rows, null, 2)}\n`);
      else write(rows.length === 0 ? '(none)\n' : `${formatTable(rows, columns)}\n`);
    },
    say: (text) => {
      if (!json) write(`${text}\n`);
    },
  };
}
