// Who a submitted message says it is from (RFC 5322 3.6.2), and whether its user may say so. Asked of submissions only: other
// servers' mail is from whom it is from.
// Invariant: an author that we cannot tell for sure is none of the user's; nor can we where other readers of broken or
// ambiguous text may see another one than this server does. Fails as the question to the directory does.

import { type Address, formatLocalPart, parseAddress } from '../mail/address.ts';
import { type ListedAddress, parseAddressList } from '../mail/address-list.ts';
import { fieldValues, type HeaderBlock, headerFieldsMax } from '../mail/header.ts';
import type { BounceReason } from './delivery/delivery-outcome.ts';
import { headBytesMax, type ScannedHeader } from './message-head.ts';

/** Each is a question to the directory. Nobody writes a message together with more. */
const authorsMax = 50;

export interface Authorship {
  /** The values of its From and Sender fields: one and at most one in a message that is right. */
  readonly from: readonly string[];
  readonly sender: readonly string[];
  /** False: there may be others, which readers see. */
  readonly isCertain: boolean;
}

export function readAuthorship({ bytes, block }: ScannedHeader): Authorship {
  const from = fieldValues(bytes, block, 'from');
  const sender = fieldValues(bytes, block, 'sender');
  const isWhole = block.scanned < headBytesMax && block.count < headerFieldsMax;
  const isClear = ![...from, ...sender].some((value) => control.test(value));
  const isCertain =
    isWhole &&
    isClear &&
    !beginsFolded(bytes, block) &&
    linesNaming(bytes, block) === from.length + sender.length;
  return { from, sender, isCertain };
}

const space = 0x20;
const tab = 0x09;
/** But the tab. */
const control = /[\x00-\x08\x0a-\x1f\x7f]/;
const unseen = /[^\t\x20-\x7e\r\n]/g;
/** A From or Sender for readers that take a bare CR for a line end, or leave out what cannot be seen. */
const namingLine = /^(?:from|sender)[\t ]*:/gim;
const blankLine = /\r?\n\r?\n/;

/** The header goes on with a line that it does not have: when a From is put before it, with that. */
function beginsFolded(bytes: Buffer, { count }: HeaderBlock): boolean {
  return count > 0 && (bytes[0] === space || bytes[0] === tab);
}

/** Also behind a line that is no field: some readers end the header there, others go on. */
function linesNaming(bytes: Buffer, { count, fieldsEnd, end }: HeaderBlock): number {
  if (count === 0) return 0;
  if (end > fieldsEnd) return countLines(bytes.toString('latin1', 0, fieldsEnd));
  const text = bytes.toString('latin1', 0, headBytesMax);
  const blank = text.slice(end).search(blankLine);
  return countLines(blank === -1 ? text : text.slice(0, end + blank));
}

function countLines(text: string): number {
  return text.replace(unseen, '').match(namingLine)?.length ?? 0;
}

/** Why the user may not send it as this author; undefined: he may. One without From gets the user's own address. */
export async function authorRefusal(
  { from, sender, isCertain }: Authorship,
  maySendAs: (address: Address) => Promise<boolean>,
): Promise<BounceReason | undefined> {
  if (!isCertain || from.length > 1 || sender.length > 1) return 'authorUnclear';
  const senders = sender.flatMap(addressesIn);
  if (sender.length > 0 && !(await isAny(senders, maySendAs))) return 'foreignSender';
  if (from.length === 0) return undefined;
  const authors = from.flatMap(addressesIn);
  if (senders.length > 1 || authors.length > authorsMax) return 'authorUnclear';
  if (authors.length > 1 && senders.length === 0) return 'authorUnclear';
  return (await isAny(authors, maySendAs)) ? undefined : 'foreignAuthor';
}

async function isAny(
  entries: readonly ListedAddress[],
  maySendAs: (address: Address) => Promise<boolean>,
): Promise<boolean> {
  for (const entry of entries.slice(0, authorsMax)) {
    const address = addressOf(entry);
    if (address !== undefined && (await maySendAs(address))) return true;
  }
  return false;
}

/**
 * Each once. An encoded word holds no "<", "," and the like (RFC 2047 section 5, 3), but many write and read them there: what
 * those see who look for addresses first is in the list too.
 */
function addressesIn(value: string): ListedAddress[] {
  const strictly = value.includes('=?') ? listed(value.replaceAll('=?', '=')) : [];
  const all = [...listed(value), ...strictly.filter(({ host }) => host !== '')];
  return [...new Map(all.map((entry) => [`${entry.mailbox}@${entry.host}`, entry])).values()];
}

function listed(value: string): ListedAddress[] {
  return parseAddressList(value).flatMap(({ addresses }) => addresses);
}

/** RFC 6532: what is not ASCII is UTF-8. */
function addressOf({ mailbox, host }: ListedAddress): Address | undefined {
  const [localPart, domain] = [mailbox, host].map((text) => Buffer.from(text, 'latin1').toString('utf8'));
  return parseAddress(`${formatLocalPart(localPart!)}@${domain}`);
}
