// Tells flags of many messages: `* 3 FETCH (UID 7 FLAGS (\Seen) MODSEQ (12))`, as bytes like the answers of FETCH. UID is
// always told: RFC 7162 3.2.4 wants it, nobody minds. Minds the client's pace and the other sessions' turns.

import type { MessageColumns } from '../../../account/port.ts';
import { Slicer } from '../../../base/slicer.ts';
import { FlagText } from '../flag-text.ts';
import { type ImapSession, viewOf } from '../session.ts';
import { ResponseWriter } from './response-writer.ts';

/** Lines written between two looks at the clock and the connection. */
const linesPerLook = 256;
/** What a line takes, about. */
const bytesPerLine = 64;

const head = Buffer.from('* ');
const fetchOpen = Buffer.from(' FETCH (UID ');
/** RFC 9586: the UID stands in the place of the number. */
const uidFetchOpen = Buffer.from(' UIDFETCH (');
const flagsLabel = Buffer.from(' FLAGS ');
const modSeqLabel = Buffer.from(' MODSEQ (');
const modSeqEnd = Buffer.from(')');
const lineEnd = Buffer.from(')\r\n');

export interface FlagLines {
  readonly columns: Pick<MessageColumns, 'uids' | 'flagsLow' | 'flagsHigh' | 'modSeqs'>;
  /** The rows of the columns that are told; undefined: all. */
  readonly rows?: readonly number[];
  /** The mailbox's, as the client knows them. */
  readonly keywords: readonly string[];
  /** False: only UID and mod-sequence. */
  readonly hasFlags: boolean;
}

export async function tellFlagLines(session: ImapSession, lines: FlagLines): Promise<void> {
  const { connection, environment } = session;
  const count = lines.rows?.length ?? lines.columns.uids.length;
  const writer = new ResponseWriter(connection, count * bytesPerLine);
  const writeLine = lineWriter(session, lines, writer);
  const slicer = new Slicer(environment.clock);
  for (let at = 0; at < count; at++) {
    writeLine(lines.rows?.[at] ?? at);
    if (at % linesPerLook !== linesPerLook - 1) continue;
    if (connection.congested) await connection.drain();
    if (slicer.due()) await slicer.rest();
  }
  writer.flush();
}

function lineWriter(
  session: ImapSession,
  { columns, keywords, hasFlags }: FlagLines,
  writer: ResponseWriter,
): (row: number) => void {
  const view = viewOf(session);
  const { uids, flagsLow, flagsHigh, modSeqs } = columns;
  const { uidOnly, condstore, revision2 } = session;
  const flagText = new FlagText(keywords);
  // Behind the parenthesis there is no space.
  const firstFrom = uidOnly ? 1 : 0;
  const flagsStart = flagsLabel.subarray(firstFrom);
  const modSeqStart = hasFlags ? modSeqLabel : modSeqLabel.subarray(firstFrom);
  return (row) => {
    const uid = uids[row]!;
    writer.label(head);
    writer.number(uidOnly ? uid : view.sequenceOf(uid));
    writer.label(uidOnly ? uidFetchOpen : fetchOpen);
    if (!uidOnly) writer.number(uid);
    if (hasFlags) {
      writer.label(flagsStart);
      writer.text(flagText.list(flagsLow[row]!, flagsHigh[row]!, !revision2 && view.isRecent(uid)));
    }
    if (condstore) {
      writer.label(modSeqStart);
      writer.number(modSeqs[row]!);
      writer.label(modSeqEnd);
    }
    writer.label(lineEnd);
  };
}
