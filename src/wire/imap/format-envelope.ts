// ENVELOPE (RFC 9051 7.5.2), ready to send to any client: 8-bit octets are in literals. Total: every envelope
// of mail/mime/envelope.ts has an answer; NULs are left out, since no IMAP string can hold one.

import { parseAddressList } from '../../mail/address-list.ts';
import type { Envelope } from '../../mail/mime/envelope.ts';
import { formatNstring, formatString } from './format-string.ts';

/** `("date" "subject" from sender reply-to to cc bcc "in-reply-to" "message-id")`, latin1. */
export function formatEnvelope(envelope: Envelope): string {
  const from = formatAddressList(envelope.from);
  // sender and replyTo default to from: mostly the same text, so mostly parsed once.
  const sender = envelope.sender === envelope.from ? from : formatAddressList(envelope.sender);
  const replyTo = envelope.replyTo === envelope.from ? from : formatAddressList(envelope.replyTo);
  return (
    `(${formatNstring(envelope.date)} ${formatNstring(envelope.subject)} ${from} ${sender} ${replyTo} ` +
    `${formatAddressList(envelope.to)} ${formatAddressList(envelope.cc)} ${formatAddressList(envelope.bcc)} ` +
    `${formatNstring(envelope.inReplyTo)} ${formatNstring(envelope.messageId)})`
  );
}

/** 1*address in parentheses, or NIL when there is none. */
function formatAddressList(value: string | undefined): string {
  if (value === undefined) return 'NIL';
  let list = '';
  for (const group of parseAddressList(value)) {
    if (group.name !== undefined) list += `(NIL NIL ${formatString(group.name)} NIL)`;
    for (const { name, route, mailbox, host } of group.addresses) {
      // A NIL host would mark a group: an address without a domain has an empty one.
      list += `(${formatNstring(name)} ${formatNstring(route)} ${formatString(mailbox)} ${formatString(host)})`;
    }
    if (group.name !== undefined) list += '(NIL NIL NIL NIL)';
  }
  return list === '' ? 'NIL' : `(${list})`;
}
