// Every RFC that the code cites stands in rfc/index.tsv with its status, and every folder the index names exists.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot, readSources } from './source-files.ts';

interface IndexRow {
  readonly number: number;
  readonly title: string;
  readonly status: string;
  readonly folder: string;
}

function readIndex(): IndexRow[] {
  const [header, ...lines] = readFileSync(join(projectRoot, 'rfc/index.tsv'), 'utf8').trimEnd().split('\n');
  if (header !== 'number\ttitle\tstatus\tfolder')
    throw new Error('rfc/index.tsv: the header line is not what it was');
  return lines.map((line) => {
    const [number = '', title = '', status = '', folder = ''] = line.split('\t');
    return { number: Number(number), title, status, folder };
  });
}

function judgeRow(row: IndexRow, previous: number): string[] {
  const wrong: string[] = [];
  if (!(row.number > previous)) wrong.push('is not in rising order');
  if (row.title === '') wrong.push('has no title');
  if (!['yes', 'partial', 'no'].includes(row.status)) wrong.push(`has the status "${row.status}"`);
  const folders = row.folder === '' ? [] : row.folder.split(' ');
  if (row.status !== 'no' && folders.length === 0) wrong.push('has no folder');
  for (const folder of folders) {
    if (!existsSync(join(projectRoot, folder))) wrong.push(`names ${folder}, which does not exist`);
  }
  return wrong.map((what) => `rfc/index.tsv: RFC ${row.number} ${what}`);
}

const index = readIndex();
const problems = index.flatMap((row, at) => judgeRow(row, index[at - 1]?.number ?? 0));
const known = new Set(index.map((row) => row.number));
for (const { path, text } of readSources(['src', 'test', 'bench', 'scripts'])) {
  const cited = new Set([...text.matchAll(/\bRFC ?(\d{3,5})\b/g)].map((match) => Number(match[1])));
  for (const number of cited) {
    if (!known.has(number)) problems.push(`${path}: cites RFC ${number}, which is not in rfc/index.tsv`);
  }
}
for (const problem of problems) console.log(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
