// The message a search stands at: reads what its tests ask for, once, and only when they ask.
// What was folded of a message is kept for the search's other keys, unless it is large.
// Invariant: `moveTo` forgets what was read. A message that is gone has no header, no body and no thread.

import { Slicer } from '../../base/slicer.ts';
import { asBuffer } from '../../mail/bytes.ts';
import { decodeHeaderText } from '../../mail/encoded-word.ts';
import { fieldValues, type HeaderBlock, headerFields } from '../../mail/header.ts';
import type { MessageStructure } from '../../mail/mime/structure.ts';
import { headerTexts, searchTexts } from '../../mail/mime/text.ts';
import { readEmail } from '../reading/message-reader.ts';
import { decodeSummaryRecord, type SummaryRecord } from '../records/email-record.ts';
import { summaryHeader, summaryHeaderBlock, summarySentDay, summaryStructure } from '../summary.ts';
import { addressesText, isAddressField } from './header-texts.ts';
import type { SearchOptions } from './search.ts';
import { foldLetters, foldText, foldWhiteSpace } from './text-folding.ts';

/** Of a larger message the texts are made again for each key: one piece of them at a time is in memory. */
const keptBytesMax = 1024 * 1024;

/** Texts as they are compared, made when they are asked for. */
class FoldedTexts {
  readonly #source: Iterator<string>;
  readonly #isKept: boolean;
  readonly #letters: string[] = [];
  readonly #texts: string[] = [];

  constructor(source: Iterator<string>, isKept: boolean) {
    this.#source = source;
    this.#isKept = isKept;
  }

  /** Whether one of them has `text`. */
  async have(text: string, slicer: Slicer): Promise<boolean> {
    const isLetters = !text.includes(' ');
    for (let at = 0; ; at++) {
      const letters = this.#letters[at] ?? this.#next();
      if (letters === undefined) return false;
      if ((isLetters ? letters : this.#text(at, letters)).includes(text)) return true;
      if (slicer.due()) await slicer.rest();
    }
  }

  #next(): string | undefined {
    const next = this.#source.next();
    if (next.done === true) return undefined;
    const letters = foldLetters(next.value);
    if (this.#isKept) this.#letters.push(letters);
    return letters;
  }

  #text(at: number, letters: string): string {
    const text = this.#texts[at] ?? foldWhiteSpace(letters);
    if (this.#isKept) this.#texts[at] = text;
    return text;
  }
}

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
  #header: FoldedTexts | undefined;
  #body: FoldedTexts | undefined;

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
    this.#header = undefined;
    this.#body = undefined;
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
    const isKept = bytes.length <= keptBytesMax;
    const body = this.#body ?? new FoldedTexts(searchTexts(bytes, structure), isKept);
    if (isKept) this.#body = body;
    return body.have(text, this.#slicer);
  }

  async textMatches(text: string): Promise<boolean> {
    const bytes = await this.#readBytes();
    const structure = this.#structure;
    if (bytes === undefined || structure === undefined) return false;
    const isKept = bytes.length <= keptBytesMax;
    const header = this.#header ?? new FoldedTexts(headerTexts(bytes, structure.root), isKept);
    if (isKept) this.#header = header;
    return (await header.have(text, this.#slicer)) || this.bodyMatches(text);
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
