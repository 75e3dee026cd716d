// What the search index takes from a message: the row of its header, and the terms of header and body.
// Invariant: texts are those that a search of the bytes looks through (searched-message.ts), folded the same way, so that
// the index and a scan find the same (white space only parts terms: it is left as it is). Never fails on any bytes.

import { hash } from 'node:crypto';
import type { Slicer } from '../../base/slicer.ts';
import {
  decodedName,
  type ListedAddress,
  listedAddressText,
  parseAddressList,
} from '../../mail/address-list.ts';
import { parseDate } from '../../mail/date.ts';
import { decodeHeaderText } from '../../mail/encoded-word.ts';
import { fieldValues, type HeaderBlock } from '../../mail/header.ts';
import { ownMessageId, referencedIds } from '../../mail/message-ids.ts';
import { leafParts, type MessageStructure } from '../../mail/mime/structure.ts';
import { headerTexts, searchTexts } from '../../mail/mime/text.ts';
import { baseSubject } from '../../mail/subject.ts';
import { addressesText, isAddressField } from '../search/header-texts.ts';
import { collationKey, foldLetters, foldText } from '../search/text-folding.ts';
import { fieldMark, fieldTooLong, type HeaderRow, type SearchedField } from './header-columns.ts';
import type { TermPositionsBuilder } from './term-positions-builder.ts';
import { inBody, inHeader, type TermPlace, type TermTableBuilder } from './term-table.ts';
import { TermWalk } from './terms.ts';

/** A longer field (hundreds of recipients) is searched in the message: columns stay small. */
const searchedLengthMax = 4_096;
/** As it is written; a longer one may decode to less, but takes milliseconds to. */
const writtenLengthMax = 16 * searchedLengthMax;
/** What is compared of a name. */
const orderedLengthMax = 256;

const secondsPerDay = 86_400;

export interface IdentifiedHeader {
  readonly emailId: number;
  readonly threadId: number;
  /** At least the header's bytes. */
  readonly bytes: Uint8Array;
  readonly block: HeaderBlock;
}

export function headerRow({ emailId, threadId, bytes, block }: IdentifiedHeader): HeaderRow {
  const values = (name: string): string[] => fieldValues(bytes, block, name);
  const searched = (field: SearchedField): string => searchedText(field, values(field));
  const [subject] = values('subject');
  const base = baseSubject(subject);
  const [dateText] = values('date');
  const date = dateText === undefined ? undefined : parseDate(dateText);
  const own = ownMessageId(values('message-id')[0]);
  const references = referencedIds(values('references')[0], values('in-reply-to')[0]);
  const from = firstAddress(values('from'));
  const to = firstAddress(values('to'));
  return {
    emailId,
    threadId,
    sentSeconds: date?.unixSeconds ?? Number.NaN,
    sentDay: date && Math.floor((date.unixSeconds + date.zoneMinutes * 60) / secondsPerDay),
    messageId: own === undefined ? 0 : identifierHash(own),
    references: references.map(identifierHash),
    isReply: base.isReply,
    searched: {
      subject: searched('subject'),
      from: searched('from'),
      to: searched('to'),
      cc: searched('cc'),
      bcc: searched('bcc'),
    },
    ordered: {
      subject: collationKey(base.text),
      from: mailboxKey(from),
      to: mailboxKey(to),
      cc: mailboxKey(firstAddress(values('cc'))),
      displayFrom: displayKey(from),
      displayTo: displayKey(to),
    },
  };
}

function searchedText(field: SearchedField, values: readonly string[]): string {
  let text = '';
  for (const value of values) {
    if (value.length > writtenLengthMax) return fieldTooLong;
    const decoded = foldText(decodeHeaderText(value));
    text += fieldMark + decoded;
    if (text.length <= searchedLengthMax && isAddressField(field)) {
      const addresses = foldText(addressesText(value));
      if (!decoded.includes(addresses)) text += fieldMark + addresses;
    }
    if (text.length > searchedLengthMax) return fieldTooLong;
  }
  return text;
}

/** A group stands for itself, as in ENVELOPE. */
function firstAddress(values: readonly string[]): ListedAddress | undefined {
  for (const value of values) {
    for (const { name, addresses } of parseAddressList(value, 1)) {
      if (name !== undefined) return { name, route: undefined, mailbox: name, host: '' };
      if (addresses[0] !== undefined) return addresses[0];
    }
  }
  return undefined;
}

/** RFC 5256 3: FROM, TO and CC compare addr-mailbox. */
function mailboxKey(address: ListedAddress | undefined): string {
  return address === undefined
    ? ''
    : collationKey(decodeHeaderText(address.mailbox)).slice(0, orderedLengthMax);
}

/** RFC 5957 3: the display name, or else the address. */
function displayKey(address: ListedAddress | undefined): string {
  if (address === undefined) return '';
  const name = decodedName(address.name) ?? '';
  return collationKey(name === '' ? listedAddressText(address) : name).slice(0, orderedLengthMax);
}

/** 48 bits are enough to tell a mailbox's messages apart, and are a number. */
function identifierHash(id: string): number {
  return hash('sha256', id, 'buffer').readUIntBE(0, 6) || 1;
}

export interface AnalysedMessage {
  readonly bytes: Uint8Array;
  readonly structure: MessageStructure;
}

/**
 * A message with more text (logs, data) is searched as it is: its terms would be most of its segment. Also keeps the
 * segment's rows far below what an engine takes.
 */
const textBytesMax = 2 * 1024 * 1024;

function textBytes({ root }: MessageStructure): number {
  let bytes = root.headerEnd - root.headerStart;
  for (const part of leafParts(root, true)) {
    bytes += part.headerEnd - part.headerStart;
    if (part.type === 'text' || part.type === 'message') bytes += part.bodyEnd - part.bodyStart;
  }
  return bytes;
}

/** Of a text, in one step: a quarter of a millisecond. */
const walkedCharacters = 16 * 1024;

/** What takes the texts of a segment's messages. */
interface TermsTaken {
  readonly terms: TermTableBuilder;
  readonly positions: TermPositionsBuilder;
}

/** Adds the terms of message number `message` of a segment, and where they stand. In slices. */
export async function addTerms(
  taken: TermsTaken,
  message: number,
  { bytes, structure, slicer }: AnalysedMessage & { readonly slicer: Slicer },
): Promise<void> {
  const { terms, positions } = taken;
  if (textBytes(structure) > textBytesMax) terms.addOpen(message);
  else {
    for (const text of headerTexts(bytes, structure.root)) {
      await addText(taken, text, { message, where: inHeader, slicer });
      if (slicer.due()) await slicer.rest();
    }
    positions.endHeader();
    for (const text of searchTexts(bytes, structure)) {
      if (text !== '') await addText(taken, text, { message, where: inBody, slicer });
      if (slicer.due()) await slicer.rest();
    }
  }
  positions.endMessage();
}

async function addText(
  { terms, positions }: TermsTaken,
  text: string,
  { message, where, slicer }: TermPlace & { readonly slicer: Slicer },
): Promise<void> {
  const walk = new TermWalk(foldLetters(text), {
    term: (term) => positions.addTerm(terms.add(term, message, where)),
    gap: (raw, isBetweenWords) => positions.addGap(raw, isBetweenWords),
  });
  while (walk.advance(walkedCharacters)) if (slicer.due()) await slicer.rest();
  positions.endText();
}
