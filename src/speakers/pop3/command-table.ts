// Every POP3 command: where it is allowed, whether it takes an argument, who carries it out, which RFC says so.
// Handlers write their reply. They return a promise only when they wait, so that commands answered from memory cost none.

import { auth } from './commands/auth.ts';
import { capa } from './commands/capa.ts';
import { lang, utf8 } from './commands/language.ts';
import { dele, list, noop, rset, stat, uidl } from './commands/maildrop.ts';
import { pass, user } from './commands/password.ts';
import { quit } from './commands/quit.ts';
import { retr, top } from './commands/retrieve.ts';
import { stls } from './commands/stls.ts';
import type { Pop3Session } from './pop3-session.ts';

export interface CommandEntry {
  readonly states: readonly ('authorization' | 'transaction')[];
  readonly argument: 'none' | 'optional' | 'required';
  readonly rfc: string;
  run(session: Pop3Session, argument: string): Promise<void> | undefined;
}

const anywhere = ['authorization', 'transaction'] as const;
const authorization = ['authorization'] as const;
const transaction = ['transaction'] as const;

const entries: Record<string, CommandEntry> = {
  USER: { states: authorization, argument: 'required', rfc: '1939 7', run: user },
  PASS: { states: authorization, argument: 'required', rfc: '1939 7', run: pass },
  AUTH: { states: authorization, argument: 'optional', rfc: '5034 4', run: auth },
  STLS: { states: authorization, argument: 'none', rfc: '2595 4', run: stls },
  UTF8: { states: authorization, argument: 'none', rfc: '6856 2.1', run: utf8 },
  LANG: { states: anywhere, argument: 'optional', rfc: '6856 3', run: lang },
  CAPA: { states: anywhere, argument: 'none', rfc: '2449 5', run: capa },
  STAT: { states: transaction, argument: 'none', rfc: '1939 5', run: stat },
  LIST: { states: transaction, argument: 'optional', rfc: '1939 5', run: list },
  UIDL: { states: transaction, argument: 'optional', rfc: '1939 7', run: uidl },
  RETR: { states: transaction, argument: 'required', rfc: '1939 5', run: retr },
  TOP: { states: transaction, argument: 'required', rfc: '1939 7', run: top },
  DELE: { states: transaction, argument: 'required', rfc: '1939 5', run: dele },
  NOOP: { states: transaction, argument: 'none', rfc: '1939 5', run: noop },
  RSET: { states: transaction, argument: 'none', rfc: '1939 5', run: rset },
  QUIT: { states: anywhere, argument: 'none', rfc: '1939 6', run: quit },
};

export const commandTable: ReadonlyMap<string, CommandEntry> = new Map(Object.entries(entries));
