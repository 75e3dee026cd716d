// What a mailbox may be called: levels separated by '/', NFC, INBOX in any letter case is INBOX.
// Refuses with invalidMailboxName.

import { MailError } from '../mail/mail-error.ts';
import type { MailboxTarget } from './port.ts';

/** Longer levels do not fit file systems that mail is exported to. */
export const levelBytesMax = 255;
/** Deeper trees come from broken clients; LIST and rename walk the levels. */
export const depthMax = 32;
/** The name is in the subscription's key, with room for the rest of it (keyBytesMax). */
export const nameBytesMax = 900;

// Controls (C0, DEL, C1), line and paragraph separators, and lone surrogates cannot be shown or typed.
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]|\p{Surrogate}/u;

function canonical(name: string): string {
  const normal = name.normalize('NFC');
  if (normal.length === 5 && normal.toUpperCase() === 'INBOX') return 'INBOX';
  if (normal.length > 5 && normal[5] === '/' && normal.slice(0, 5).toUpperCase() === 'INBOX') {
    return `INBOX${normal.slice(5)}`;
  }
  return normal;
}

/** The name as it is compared and stored. Does not judge it: an invalid name just finds nothing. */
export function normalName(name: string): string {
  return canonical(name);
}

/** A target whose name, if it has one, is normalised. */
export function normalTarget(target: MailboxTarget): MailboxTarget {
  return 'name' in target ? { name: canonical(target.name) } : target;
}

/** The name for a new mailbox. A separator at the end is dropped (RFC 9051 6.3.4). */
export function validName(name: string): string {
  const normal = canonical(name.endsWith('/') ? name.slice(0, -1) : name);
  const levels = normal.split('/');
  const problem =
    normal === ''
      ? 'the name is empty'
      : Buffer.byteLength(normal) > nameBytesMax
        ? `the name is longer than ${nameBytesMax} bytes`
        : levels.length > depthMax
          ? `more than ${depthMax} levels`
          : levels.some((level) => level === '')
            ? 'a level of the name is empty'
            : levels.some((level) => Buffer.byteLength(level) > levelBytesMax)
              ? `a level is longer than ${levelBytesMax} bytes`
              : unprintable.test(normal)
                ? 'the name has a character that cannot be shown'
                : undefined;
  if (problem !== undefined) throw new MailError('invalidMailboxName', problem);
  return normal;
}

/** The superiors of a name, outermost first. */
export function superiorsOf(name: string): string[] {
  const names: string[] = [];
  for (let at = name.indexOf('/'); at >= 0; at = name.indexOf('/', at + 1)) names.push(name.slice(0, at));
  return names;
}

export function isInferior(name: string, superior: string): boolean {
  return name.length > superior.length && name[superior.length] === '/' && name.startsWith(superior);
}
