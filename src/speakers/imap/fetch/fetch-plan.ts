// What a FETCH needs, found out once for all its messages: which columns, summaries and bytes to pull, and the
// labels ready to copy. Pure.

import type { HeaderFieldsChoice } from '../../../account/port-reads.ts';
import { FieldNames, selectedFields } from '../../../mail/field-names.ts';
import type { HeaderBlock } from '../../../mail/header.ts';
import type { FetchCommand, FetchItem } from '../../../wire/imap/message-command.ts';

type RawContentItem = Extract<FetchItem, { readonly type: 'section' | 'binary' | 'binarySize' }>;
/** With the names of HEADER.FIELDS, ready to be looked for (contentItem makes it). */
export type ContentItem = RawContentItem & { readonly fieldNames: FieldNames<string> | undefined };

export interface PlannedItem {
  readonly item: FetchItem;
  /** The label with the space behind it, and the one before it unless it is the first. */
  readonly label: Uint8Array;
}

export interface FetchPlan {
  readonly items: readonly PlannedItem[];
  /** The summary is asked for, or needed to find parts. */
  readonly needsSummary: boolean;
  readonly content: readonly ContentItem[];
  /** The whole message is asked for: messages are pulled many at a time, and parts are cut out of them. */
  readonly readsWhole: boolean;
  /** Nothing but the message's own header, or fields of it, is asked for: most summaries hold it. */
  readonly headersOnly: boolean;
  /** No content but these fields of the message's own header, and nothing of summaries: read without them. */
  readonly fields: HeaderFieldsChoice | undefined;
  /** BINARY is asked for: parts are decoded in memory. */
  readonly decodes: boolean;
  /** A part without PEEK is asked for: \Seen is set. */
  readonly setsSeen: boolean;
  readonly hasFlags: boolean;
  readonly hasModSeq: boolean;
}

const summaryTypes: ReadonlySet<FetchItem['type']> = new Set([
  'envelope',
  'body',
  'bodyStructure',
  'threadId',
  'preview',
]);

/** With `uidOnly` answers begin with the UID, so it is told as an item only where it is asked for (RFC 9586 3.3). */
export function fetchPlan(command: FetchCommand, uidOnly: boolean): FetchPlan {
  const items = uidOnly
    ? command.items.filter((item) => item.type !== 'uid' || !item.implied)
    : command.items;
  const content = items.filter(isContent).map(contentItem);
  const needsOthers = items.some((item) => summaryTypes.has(item.type));
  return {
    items: items.map((item, index) => ({
      item,
      label: Buffer.from(`${index === 0 ? '' : ' '}${item.label} `, 'latin1'),
    })),
    needsSummary: needsOthers || content.some((item) => !isWhole(item)),
    content,
    readsWhole: content.some((item) => isWhole(item) && !('partial' in item && item.partial !== undefined)),
    headersOnly: content.every(isOwnHeader),
    fields: needsOthers ? undefined : fieldsAlone(content),
    decodes: content.some((item) => item.type !== 'section'),
    setsSeen: content.some((item) => 'peek' in item && !item.peek),
    hasFlags: items.some((item) => item.type === 'flags'),
    hasModSeq: items.some((item) => item.type === 'modSeq'),
  };
}

function isContent(item: FetchItem): item is RawContentItem {
  return item.type === 'section' || item.type === 'binary' || item.type === 'binarySize';
}

export function contentItem(item: RawContentItem): ContentItem {
  const fields = item.type === 'section' ? item.section.fields : [];
  if (fields.length === 0) return { ...item, fieldNames: undefined };
  const names = new Set(fields.map((name) => name.toLowerCase()));
  return { ...item, fieldNames: new FieldNames([...names]) };
}

/** The part of a header that HEADER.FIELDS or HEADER.FIELDS.NOT asks for; all of it for HEADER. */
export function chosenFields(
  item: ContentItem,
  header: Uint8Array,
  { block, hasBody }: { readonly block: HeaderBlock; readonly hasBody: boolean },
): Uint8Array {
  if (item.fieldNames === undefined || item.type !== 'section') return header;
  const matching = item.section.text === 'headerFields';
  return selectedFields(header, block, { names: item.fieldNames, matching, hasBody });
}

function isOwnHeader(item: ContentItem): boolean {
  if (item.type !== 'section' || item.section.part.length > 0) return false;
  const { text } = item.section;
  return text === 'header' || text === 'headerFields' || text === 'headerFieldsNot';
}

/** What BODY.PEEK[HEADER.FIELDS (…)] asks for, when it is the only content and told whole. */
function fieldsAlone(content: readonly ContentItem[]): HeaderFieldsChoice | undefined {
  const [item, ...others] = content;
  if (item?.type !== 'section' || others.length > 0 || !isOwnHeader(item)) return undefined;
  if (item.fieldNames === undefined || item.partial !== undefined || !item.peek) return undefined;
  const names = item.section.fields.map((name) => name.toLowerCase());
  return { names, matching: item.section.text === 'headerFields' };
}

/** BODY[], RFC822, BINARY[]: the message from its first byte to its last. */
export function isWhole(item: ContentItem): boolean {
  if (item.type === 'section') return item.section.text === 'whole' && item.section.part.length === 0;
  return item.part.length === 0;
}
