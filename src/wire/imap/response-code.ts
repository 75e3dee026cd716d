// Response codes and status responses (RFC 9051 section 7.1, RFC 5530 and the extensions'). Codes are typed,
// so that a misspelt one does not compile; nothing from outside gets into one but numbers, flags and
// capabilities of ours.

import { formatResponseText } from './format-string.ts';
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
  | 'UNAVAILABLE'
  | 'UNKNOWN-CTE'
  | 'USEATTR';

/** What stands between the brackets of a status response. */
export type ResponseCode =
  | PlainResponseCode
  | `APPENDUID ${string}`
  | `BADCHARSET ${string}`
  | `CAPABILITY ${string}`
  | `COPYUID ${string}`
  | `MAILBOXID ${string}`
  | `MODIFIED ${string}`
  | `PERMANENTFLAGS ${string}`
  | `${NumberCodeName} ${number}`;

type NumberCodeName = 'UIDNEXT' | 'UIDVALIDITY' | 'UNSEEN' | 'HIGHESTMODSEQ';

/** APPENDUID uidvalidity uid-set (RFC 4315). */
export function appendUidCode(uidValidity: number, uids: ArrayLike<number>): ResponseCode {
  return `APPENDUID ${uidValidity} ${formatSequenceSet(uids)}`;
}

/** COPYUID uidvalidity source destination; the arrays are parallel and not empty (RFC 4315). */
export function copyUidCode(
  uidValidity: number,
  source: ArrayLike<number>,
  target: ArrayLike<number>,
): ResponseCode {
  return `COPYUID ${uidValidity} ${formatSequenceSet(source)} ${formatSequenceSet(target)}`;
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
