// IMAP URLs that name a message or a part of one on this server, as CATENATE takes them (RFC 4469 section 3): relative
// ones without a server. Pure; anything else is undefined, which the speaker answers with BADURL.

import { isUtf8 } from 'node:buffer';
import { ArgumentCursor } from './argument-cursor.ts';
import type { BodySection } from './body-section.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import type { Partial } from './message-command.ts';
import { parseSection } from './parse-fetch.ts';

export interface ImapMessageUrl {
  /** Undefined: the selected one. */
  readonly mailbox: string | undefined;
  readonly uidValidity: number | undefined;
  readonly uid: number;
  readonly section: BodySection;
  readonly partial: Partial | undefined;
}

/** Longer than any mailbox name and header list together. */
const urlBytesMax = 8192;
const numberMax = 0xffff_ffff;
const wholeMessage: BodySection = { part: [], text: 'whole', fields: [] };
const urlPattern =
  /^(?:\/?([^;]*?))?(?:;UIDVALIDITY=(\d{1,10}))?\/?;UID=(\d{1,10})(?:\/;SECTION=([^;]+?))?(?:\/;PARTIAL=(\d{1,15})(?:\.(\d{1,15}))?)?$/i;

/** Octets in latin1. */
export function parseImapUrl(url: string): ImapMessageUrl | undefined {
  if (url.length > urlBytesMax) return undefined;
  const match = urlPattern.exec(url);
  if (match === null) return undefined;
  const [, path = '', validity, uidText, sectionText, offset, bytes] = match;
  // `//host/…` is another server's.
  const name = path.startsWith('/') ? undefined : decoded(path.endsWith('/') ? path.slice(0, -1) : path);
  const section = sectionText === undefined ? wholeMessage : sectionOf(sectionText);
  const uid = Number(uidText);
  if (name === undefined || section === undefined || uid === 0 || uid > numberMax) return undefined;
  if (offset !== undefined && Number(bytes ?? 1) === 0) return undefined;
  return {
    mailbox: name === '' ? undefined : name.toUpperCase() === 'INBOX' ? 'INBOX' : name,
    uidValidity: validity === undefined ? undefined : Number(validity),
    uid,
    section,
    partial:
      offset === undefined
        ? undefined
        : { offset: Number(offset), bytes: Number(bytes ?? Number.MAX_SAFE_INTEGER) },
  };
}

function sectionOf(encoded: string): BodySection | undefined {
  const text = decoded(encoded);
  if (text === undefined || /[^ -~]/.test(text)) return undefined;
  try {
    const cursor = new ArgumentCursor({ text: `[${text}]`, literals: [] }, { utf8: false });
    const { section } = parseSection(cursor);
    return cursor.atEnd() ? section : undefined;
  } catch (error) {
    if (error instanceof ImapSyntaxError) return undefined;
    throw error;
  }
}

/** Percent-encoded UTF-8 (RFC 2192 section 4); undefined when it is none, or has a control character. */
function decoded(text: string): string | undefined {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return undefined;
  const octets = text.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  const bytes = Buffer.from(octets, 'latin1');
  if (!isUtf8(bytes)) return undefined;
  const plain = bytes.toString('utf8');
  return /[\x00-\x1f\x7f]/.test(plain) ? undefined : plain;
}
