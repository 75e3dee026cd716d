// UTF8 and LANG (RFC 6856). Replies are in English only, so the choice of a language is small.

import type { Pop3Session } from '../pop3-session.ts';

export function utf8(session: Pop3Session): undefined {
  session.utf8 = true;
  session.ok('UTF-8 mode');
}

export function lang(session: Pop3Session, argument: string): undefined {
  const range = argument.trim().toLowerCase();
  if (range === '') session.connection.write('+OK languages follow\r\nen English\r\n.\r\n');
  else if (range === '*' || range === 'en' || range.startsWith('en-')) session.ok('en English it is');
  else session.err('only English is spoken here');
}
