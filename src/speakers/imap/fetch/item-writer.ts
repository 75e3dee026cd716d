// Writes the items of a FETCH answer that come from columns and summaries, and the frame around all of them.
// Nothing here waits or fails.

import type { MessageSummary } from '../../../account/port-reads.ts';
import {
  summaryBody,
  summaryBodyStructureRange,
  summaryEnvelopeRange,
  summaryPreview,
} from '../../../account/summary.ts';
import { asBuffer } from '../../../mail/bytes.ts';
import { formatDateTime } from '../../../wire/imap/date-time.ts';
import { formatText } from '../../../wire/imap/format-string.ts';
import { FlagText } from '../flag-text.ts';
import { emailIdText, idSuffix, threadIdText } from '../object-ids.ts';
import { type ImapSession, viewOf } from '../session.ts';
import type { MailboxView } from '../view.ts';
import type { PlannedItem } from './fetch-plan.ts';
import type { ResponseWriter } from './response-writer.ts';
import type { Targets } from './targets.ts';

const head = Buffer.from('* ');
const fetchOpen = Buffer.from(' FETCH (');
const uidFetchOpen = Buffer.from(' UIDFETCH (');
const lineEnd = Buffer.from(')\r\n');
const flagsLabel = Buffer.from(' FLAGS ');
const modSeqLabel = Buffer.from(' MODSEQ (');
const openParenthesis = 0x28;
const closeParenthesis = 0x29;

export class ItemWriter {
  readonly #writer: ResponseWriter;
  readonly #utf8: boolean;
  /** RFC 9586: answers begin with UIDs. */
  readonly #uidOnly: boolean;
  /** Says what is \Recent; undefined: IMAP4rev2 has no such flag. */
  readonly #recent: MailboxView | undefined;
  readonly #idSuffix: string;
  #flagText: FlagText;

  constructor(session: ImapSession, writer: ResponseWriter) {
    const view = viewOf(session);
    this.#writer = writer;
    this.#utf8 = session.utf8;
    this.#uidOnly = session.uidOnly;
    this.#recent = session.revision2 ? undefined : view;
    this.#idSuffix = idSuffix(session, view.account);
    this.#flagText = new FlagText(view.keywords);
  }

  /** After the mailbox got other keywords. */
  setKeywords(keywords: readonly string[]): void {
    this.#flagText = new FlagText(keywords);
  }

  open(targets: Targets, row: number): void {
    this.#writer.label(head);
    this.#writer.number(this.#uidOnly ? targets.columns.uids[row]! : targets.sequences[row]!);
    this.#writer.label(this.#uidOnly ? uidFetchOpen : fetchOpen);
  }

  close(): void {
    this.#writer.label(lineEnd);
  }

  /** ` FLAGS (…)` behind the items: what a part without PEEK changed. */
  extraFlags(targets: Targets, row: number): void {
    this.#writer.label(flagsLabel);
    this.#flags(targets, row);
  }

  /** ` MODSEQ (…)` behind the items: of what was changed. */
  extraModSeq(targets: Targets, row: number): void {
    this.#writer.label(modSeqLabel);
    this.#writer.number(targets.columns.modSeqs[row]!);
    this.#writer.byte(closeParenthesis);
  }

  /** An item that is no content, with its label. */
  item(planned: PlannedItem, targets: Targets, row: number, summary: MessageSummary | undefined): void {
    const writer = this.#writer;
    const { columns } = targets;
    writer.label(planned.label);
    switch (planned.item.type) {
      case 'uid':
        writer.number(columns.uids[row]!);
        break;
      case 'flags':
        this.#flags(targets, row);
        break;
      case 'size':
        writer.number(columns.sizes[row]!);
        break;
      case 'internalDate':
        writer.text(formatDateTime(columns.internalDates[row]!));
        break;
      case 'saveDate':
        writer.text(formatDateTime(columns.saveDates[row]!));
        break;
      case 'modSeq':
        writer.byte(openParenthesis);
        writer.number(columns.modSeqs[row]!);
        writer.byte(closeParenthesis);
        break;
      case 'emailId':
        writer.text(`(${emailIdText(columns.emailIds[row]!, this.#idSuffix)})`);
        break;
      case 'threadId':
        writer.text(`(${threadIdText(summary!.threadId, this.#idSuffix)})`);
        break;
      case 'envelope':
        this.#range(summary!.summary!, summaryEnvelopeRange(summary!.summary!));
        break;
      case 'body':
        writer.bytes(summaryBody(summary!.summary!));
        break;
      case 'bodyStructure':
        this.#range(summary!.summary!, summaryBodyStructureRange(summary!.summary!));
        break;
      case 'preview':
        writer.text(formatText(summaryPreview(summary!.summary!), this.#utf8));
        break;
    }
  }

  #range(bytes: Uint8Array, { start, end }: { readonly start: number; readonly end: number }): void {
    this.#writer.range(asBuffer(bytes), start, end);
  }

  #flags(targets: Targets, row: number): void {
    const { uids, flagsLow, flagsHigh } = targets.columns;
    const recent = this.#recent?.isRecent(uids[row]!) ?? false;
    this.#writer.text(this.#flagText.list(flagsLow[row]!, flagsHigh[row]!, recent));
  }
}
