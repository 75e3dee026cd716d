// The statements that read, for the engine and for its snapshots.
//
// Invariant: a page pulls the rows that it returns and one more from the server's tables; values are the caller's to keep.

import type { Bytes, Page, PageLimits, Range } from '../engine.ts';
import type { Parameter, Row, Statement } from './postgres-messages.ts';

/** In one request; a page may be shorter than asked for as long as it says where the next one begins. */
const pageEntriesMax = 10_000;

export type RunStatement = (
  statement: Statement,
  parameters: readonly Parameter[],
) => Promise<readonly Row[]>;

const getStatement: Statement = {
  name: 'get',
  text: `SELECT k.place::int, kv.value FROM unnest($1::bytea[]) WITH ORDINALITY AS k (key, place)
JOIN rookery.kv ON kv.key = k.key`,
};

/** $3: entries, $4: bytes. The row behind the last one comes without its value: it says where the next page begins. */
function pageStatement(name: string, order: 'ASC' | 'DESC'): Statement {
  const text = `
SELECT key, CASE WHEN place = 1 OR (before < $4 AND place <= $3) THEN value END FROM (
  SELECT key, value, place, before, lag(before) OVER (ORDER BY place) AS prior FROM (
    SELECT key, value, row_number() OVER keys AS place,
      sum(octet_length(value)) OVER keys - octet_length(value) AS before FROM (
      SELECT key, value FROM rookery.kv WHERE key >= $1 AND key < $2 ORDER BY key ${order} LIMIT $3 + 1) AS rows
    WINDOW keys AS (ORDER BY key ${order} ROWS UNBOUNDED PRECEDING)) AS counted) AS page
WHERE place <= 2 OR prior < $4 ORDER BY place`;
  return { name, text: text.replaceAll('$3', '$3::int').replaceAll('$4', '$4::bigint') };
}

const forward = pageStatement('page', 'ASC');
const backward = pageStatement('page_back', 'DESC');

/** In the order of the keys; a key may be asked for twice. */
export async function readMany(run: RunStatement, keys: readonly Bytes[]): Promise<(Bytes | undefined)[]> {
  const values = new Array<Bytes | undefined>(keys.length).fill(undefined);
  if (keys.length === 0) return values;
  for (const [place, value] of await run(getStatement, [keys])) values[place!.readInt32BE() - 1] = value;
  return values;
}

export async function readPage(run: RunStatement, range: Range, limits: PageLimits): Promise<Page> {
  if (Buffer.compare(range.start, range.end) >= 0) return { entries: [] };
  const reverse = range.reverse === true;
  const entriesMax = Math.max(1, Math.min(limits.entriesMax, pageEntriesMax));
  const bytesMax = BigInt(Math.max(0, Math.min(Math.floor(limits.bytesMax), Number.MAX_SAFE_INTEGER)));
  const rows = await run(reverse ? backward : forward, [range.start, range.end, entriesMax, bytesMax]);
  const entries = [];
  for (const [key, value] of rows) {
    if (value === undefined) return { entries, next: reverse ? entries.at(-1)!.key : key! };
    entries.push({ key: key!, value });
  }
  return { entries };
}
