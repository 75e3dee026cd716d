// Response codes and status responses (RFC 9051 section 7.1, RFC 5530 and the extensions'). Codes are typed,
// so that a misspelt one does not compile; nothing from outside gets into one but numbers, flags and
// capabilities of ours.

import { formatResponseText, formatString } from './format-string.ts';
import { formatSequenceSet } from './sequence-set.ts';

/** Codes without arguments. */
type PlainResponseCode =
  | 'ALERT'
  | 'ALREADYEXISTS'
  | 'AUTHENTICATIONFAILED'
  | 'AUTHORIZATIONFAILED'
  | 'CANNOT'
  | 'CLIENTBUG'
  | 'CLOSED'
  | 'COMPRESSIONACTIVE'
  | 'CONTACTADMIN'
  | 'CORRUPTION'
  | 'EXPIRED'
  | 'EXPUNGEISSUED'
  | 'HASCHILDREN'
  | 'INUSE'
  | 'LIMIT'
  | 'NOMODSEQ'
  | 'NONEXISTENT'
  | 'NOPERM'
  | 'NOTIFICATIONOVERFLOW'
  | 'NOTSAVED'
  | 'OVERQUOTA'
  | 'PARSE'
  | 'PRIVACYREQUIRED'
  | 'READ-ONLY'
  | 'READ-WRITE'
  | 'SERVERBUG'
  | 'TOOBIG'
  | 'TRYCREATE'
  | 'UIDNOTSTICKY'
  | 'UIDREQUIRED'
  | 'UNAVAILABLE'
  | 'UNKNOWN-CTE'
  | 'USEATTR';

/** What stands between the brackets of a status response. */
export type ResponseCode =
  | PlainResponseCode
  | `APPENDUID ${string}`
  | `BADEVENT ${string}`
  | `BADURL ${string}`
  | `BADCHARSET ${string}`
  | `CAPABILITY ${string}`
  | `COPYUID ${string}`
  | `INPROGRESS ${string}`
  | `MAILBOXID ${string}`
  | `MESSAGELIMIT ${string}`
  | `METADATA ${string}`
  | `MODIFIED ${string}`
  | `NOUPDATE ${string}`
  | `PERMANENTFLAGS ${string}`
  | `UNDEFINED-FILTER ${string}`
  | `${NumberCodeName} ${number}`;

type NumberCodeName = 'UIDNEXT' | 'UIDVALIDITY' | 'UNSEEN' | 'HIGHESTMODSEQ';

/** APPENDUID uidvalidity uid-set (RFC 4315). */
export function appendUidCode(uidValidity: number, uids: ArrayLike<number>): ResponseCode {
  return `APPENDUID ${uidValidity} ${formatSequenceSet(uids)}`;
}

/** BADURL url (RFC 4469 4.1); what cannot stand in a code is percent-encoded, and nothing at all is two quotes. */
export function badUrlCode(url: string): ResponseCode {
  const safe = url.replace(/[^!-\\^-~]/g, (octet) => `%${octet.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `BADURL ${safe === '' ? '""' : safe}`;
}

/** COPYUID uidvalidity source destination; the arrays are parallel and not empty (RFC 4315). */
export function copyUidCode(
  uidValidity: number,
  source: ArrayLike<number>,
  target: ArrayLike<number>,
): ResponseCode {
  return `COPYUID ${uidValidity} ${formatSequenceSet(source)} ${formatSequenceSet(target)}`;
}

/** MESSAGELIMIT n [uid]: at most n messages a command; the lowest UID that this one came to (RFC 9738). */
export function messageLimitCode(messagesMax: number, lowestUid?: number): ResponseCode {
  return `MESSAGELIMIT ${messagesMax}${lowestUid === undefined ? '' : ` ${lowestUid}`}`;
}

/** METADATA LONGENTRIES n, METADATA MAXSIZE n (RFC 5464 section 5). */
export function metadataCode(name: 'LONGENTRIES' | 'MAXSIZE', bytes: number): ResponseCode {
  return `METADATA ${name} ${bytes}`;
}

/** MODIFIED set: what UNCHANGEDSINCE left alone; numbers or UIDs as the STORE was (RFC 7162 3.1.3). */
export function modifiedCode(numbers: ArrayLike<number>): ResponseCode {
  return `MODIFIED ${formatSequenceSet(numbers)}`;
}

/** UIDNEXT, UIDVALIDITY, UNSEEN (a message number), HIGHESTMODSEQ. */
export function numberCode(
  name: 'UIDNEXT' | 'UIDVALIDITY' | 'UNSEEN' | 'HIGHESTMODSEQ',
  value: number,
): ResponseCode {
  return `${name} ${value}`;
}

/** INPROGRESS (tag NIL NIL): how far it is, is not told; nor is a tag that would end the code (RFC 9585 section 4). */
export function inProgressCode(tag: string): ResponseCode {
  return `INPROGRESS (${tag.includes(']') ? 'NIL' : formatString(tag)} NIL NIL)`;
}

/** PERMANENTFLAGS (…); names may include `\*`. */
export function permanentFlagsCode(names: readonly string[]): ResponseCode {
  return `PERMANENTFLAGS (${names.join(' ')})`;
}

/** MAILBOXID (id), RFC 8474. */
export function mailboxIdCode(id: string): ResponseCode {
  return `MAILBOXID (${id})`;
}

export function capabilityCode(capabilities: readonly string[]): ResponseCode {
  return `CAPABILITY ${capabilities.join(' ')}`;
}

/** `tag OK [CODE] text` CRLF; tag '*' for untagged ones. The text is made harmless. */
export function formatStatusResponse(
  tag: string,
  status: 'OK' | 'NO' | 'BAD' | 'BYE' | 'PREAUTH',
  text: string,
  code?: ResponseCode,
): string {
  const coded = code === undefined ? '' : `[${code}] `;
  return `${tag} ${status} ${coded}${formatResponseText(text)}\r\n`;
}
