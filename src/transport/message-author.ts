// Who a submitted message says it is from (RFC 5322 3.6.2), and whether its user may say so. Asked of submissions only: other
// servers' mail is from whom it is from.
// Invariant: an author that we cannot tell for sure is none of the user's. Fails as the question to the directory does.

import { type Address, formatLocalPart, parseAddress } from '../mail/address.ts';
import { type ListedAddress, parseAddressList } from '../mail/address-list.ts';
import { fieldValues, headerFields, headerFieldsMax } from '../mail/header.ts';
import type { BounceReason } from './delivery/delivery-outcome.ts';
import { firstBytes, headBytesMax } from './message-head.ts';

/** Each is a question to the directory. Nobody writes a message together with more. */
const authorsMax = 50;

export interface Authorship {
  /** The values of its From and Sender fields: one and at most one in a message that is right. */
  readonly from: readonly string[];
  readonly sender: readonly string[];
  /** False: the header is longer than what was looked at. */
  readonly isWhole: boolean;
}

export function readAuthorship(pieces: readonly Buffer[]): Authorship {
  const bytes = firstBytes(pieces);
  const block = headerFields(bytes, 0, Math.min(bytes.length, headBytesMax));
  const from = fieldValues(bytes, block, 'from');
  // Beyond either limit there may be another From, which readers see.
  const isWhole = block.end < headBytesMax && block.count < headerFieldsMax;
  return { from, sender: fieldValues(bytes, block, 'sender'), isWhole };
}

/** Why the user may not send it as this author; undefined: he may. One without From gets the user's own address. */
export async function authorRefusal(
  { from, sender, isWhole }: Authorship,
  maySendAs: (address: Address) => Promise<boolean>,
): Promise<BounceReason | undefined> {
  if (!isWhole || from.length > 1 || sender.length > 1) return 'authorUnclear';
  const senders = sender.flatMap(addressesIn);
  if (sender.length > 0 && !(await isAny(senders, maySendAs))) return 'foreignSender';
  if (from.length === 0) return undefined;
  const authors = from.flatMap(addressesIn);
  if (senders.length > 1 || authors.length > authorsMax) return 'authorUnclear';
  if (authors.length > 1 && senders.length === 0) return 'authorUnclear';
  return (await isAny(authors, maySendAs)) ? undefined : 'foreignAuthor';
}

async function isAny(
  listed: readonly ListedAddress[],
  maySendAs: (address: Address) => Promise<boolean>,
): Promise<boolean> {
  for (const entry of listed.slice(0, authorsMax)) {
    const address = addressOf(entry);
    if (address !== undefined && (await maySendAs(address))) return true;
  }
  return false;
}

function addressesIn(value: string): ListedAddress[] {
  return parseAddressList(value).flatMap(({ addresses }) => addresses);
}

/** RFC 6532: what is not ASCII is UTF-8. */
function addressOf({ mailbox, host }: ListedAddress): Address | undefined {
  const [localPart, domain] = [mailbox, host].map((text) => Buffer.from(text, 'latin1').toString('utf8'));
  return parseAddress(`${formatLocalPart(localPart!)}@${domain}`);
}
