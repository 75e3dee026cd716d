// The message a search stands at: reads what its tests ask for, once, and only when they ask.
// Invariant: `moveTo` forgets what was read. A message that is gone has no header, no body and no thread.

import { Slicer } from '../base/slicer.ts';
import { asBuffer } from '../mail/bytes.ts';
import { decodeHeaderText } from '../mail/encoded-word.ts';
import { fieldValues, type HeaderBlock, headerFields } from '../mail/header.ts';
import type { MessageStructure } from '../mail/mime/structure.ts';
import { headerText, searchTexts } from '../mail/mime/text.ts';
import { decodeSummaryRecord, type SummaryRecord } from './email-record.ts';
import { addressesText, isAddressField } from './header-texts.ts';
import { readEmail } from './message-reader.ts';
import type { SearchOptions } from './search.ts';
import { summaryHeader, summaryHeaderBlock, summarySentDay, summaryStructure } from './summary.ts';
import { foldLetters, foldText } from './text-folding.ts';

export class SearchedMessage {
  readonly #options: SearchOptions;
  readonly #slicer: Slicer;
  /** Into the columns. */
  index = 0;
  #summary: SummaryRecord | undefined;
  #summaryRead = false;
  #bytes: Uint8Array | undefined;
  #bytesRead = false;
  #structure: MessageStructure | undefined;

  constructor(options: SearchOptions) {
    this.#options = options;
    this.#slicer = new Slicer(options.clock);
  }

  moveTo(index: number): void {
    this.index = index;
    this.#summary = undefined;
    this.#summaryRead = false;
    this.#bytes = undefined;
    this.#bytesRead = false;
    this.#structure = undefined;
  }

  async threadId(): Promise<number | undefined> {
    return (await this.#readSummary())?.threadId;
  }

  async sentDay(): Promise<number | undefined> {
    const record = await this.#readSummary();
    return record === undefined ? undefined : summarySentDay(record.summary);
  }

  /** `text` is folded; '' asks whether the field is there. */
  async headerMatches(field: string, text: string): Promise<boolean> {
    const header = await this.#readHeader();
    if (header === undefined) return false;
    const values = fieldValues(header.bytes, header.block, field);
    if (text === '') return values.length > 0;
    const isAddress = isAddressField(field.toLowerCase());
    return values.some((value) => {
      if (foldText(decodeHeaderText(value)).includes(text)) return true;
      return isAddress && foldText(addressesText(value)).includes(text);
    });
  }

  async bodyMatches(text: string): Promise<boolean> {
    const bytes = await this.#readBytes();
    const structure = this.#structure;
    if (bytes === undefined || structure === undefined) return false;
    if (text === '') return true;
    const fold = text.includes(' ') ? foldText : foldLetters;
    for (const piece of searchTexts(bytes, structure)) {
      if (fold(piece).includes(text)) return true;
      if (this.#slicer.due()) await this.#slicer.rest();
    }
    return false;
  }

  async textMatches(text: string): Promise<boolean> {
    const bytes = await this.#readBytes();
    const structure = this.#structure;
    if (bytes === undefined || structure === undefined) return false;
    return foldText(headerText(bytes, structure.root)).includes(text) || this.bodyMatches(text);
  }

  get #emailId(): number {
    return this.#options.columns.emailIds[this.index]!;
  }

  async #readSummary(): Promise<SummaryRecord | undefined> {
    if (this.#summaryRead) return this.#summary;
    const { engine, keys } = this.#options;
    const value = await engine.get(keys.summary(this.#emailId));
    this.#summaryRead = true;
    this.#summary = value === undefined ? undefined : decodeSummaryRecord(value);
    return this.#summary;
  }

  async #readHeader(): Promise<{ bytes: Uint8Array; block: HeaderBlock } | undefined> {
    const record = await this.#readSummary();
    if (record === undefined) return undefined;
    const kept = summaryHeader(record.summary);
    const block = summaryHeaderBlock(record.summary);
    if (kept !== undefined) return { bytes: kept, block: block ?? headerFields(kept) };
    if (this.#bytesRead)
      return this.#bytes && { bytes: this.#bytes, block: block ?? headerFields(this.#bytes) };
    const length = block?.end ?? summaryStructure(record.summary).root.headerEnd;
    const bytes = await readEmail(this.#options, this.#emailId, { offset: 0, length });
    return bytes === undefined ? undefined : { bytes: asBuffer(bytes), block: block ?? headerFields(bytes) };
  }

  async #readBytes(): Promise<Uint8Array | undefined> {
    if (this.#bytesRead) return this.#bytes;
    const record = await this.#readSummary();
    if (record !== undefined) {
      const length = this.#options.columns.sizes[this.index]!;
      this.#bytes = await readEmail(this.#options, this.#emailId, { offset: 0, length });
      this.#structure = summaryStructure(record.summary);
    }
    this.#bytesRead = true;
    return this.#bytes;
  }
}
