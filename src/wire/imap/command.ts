// The commands of an IMAP client as typed values, a union by `name`: RFC 3501, RFC 9051, and the extensions
// named at the members. Plain data: strings are decoded (UTF-8, modified UTF-7 for mailbox names), numbers
// are numbers, and nothing here knows a session's state; whether a command is allowed now is the speaker's to
// say.
// What is not one of these never becomes a command: the parser throws ImapSyntaxError (imap-syntax-error.ts).

import type {
  CreateCommand,
  GetMetadataCommand,
  GetQuotaCommand,
  GetQuotaRootCommand,
  GetRightsCommand,
  IdentifierCommand,
  ListCommand,
  LsubCommand,
  MailboxCommand,
  NotifyCommand,
  RenameCommand,
  SelectCommand,
  SetAclCommand,
  SetMetadataCommand,
  SetQuotaCommand,
  StatusCommand,
} from './mailbox-command.ts';
import type {
  AppendCommand,
  CopyCommand,
  ExpungeCommand,
  FetchCommand,
  ReplaceCommand,
  StoreCommand,
} from './message-command.ts';
import type {
  CancelUpdateCommand,
  MultisearchCommand,
  SearchCommand,
  SortCommand,
  ThreadCommand,
} from './search-command.ts';
import type { Tagged } from './tagged-command.ts';

/** Commands without arguments. CHECK and IMAP4rev1's others stay while rev1 is offered. */
export interface PlainCommand extends Tagged {
  readonly name:
    | 'CAPABILITY'
    | 'NOOP'
    | 'LOGOUT'
    | 'STARTTLS'
    | 'CHECK'
    | 'CLOSE'
    /** RFC 3691. */
    | 'UNSELECT'
    /** RFC 8437. */
    | 'UNAUTHENTICATE'
    /** RFC 2177. What follows until DONE is not a command: see continuation-line.ts. */
    | 'IDLE'
    /** RFC 2342. */
    | 'NAMESPACE';
}

export interface LoginCommand extends Tagged {
  readonly name: 'LOGIN';
  readonly user: string;
  readonly password: string;
}

export interface AuthenticateCommand extends Tagged {
  readonly name: 'AUTHENTICATE';
  /** Upper case. */
  readonly mechanism: string;
  /** Decoded SASL-IR (RFC 4959), empty for '='; undefined: the client waits for a challenge. */
  readonly initialResponse: Buffer | undefined;
}

/** RFC 4978. */
export interface CompressCommand extends Tagged {
  readonly name: 'COMPRESS';
  /** Upper case. */
  readonly mechanism: string;
}

/** RFC 2971. Undefined for NIL. At most 30 pairs. */
export interface IdCommand extends Tagged {
  readonly name: 'ID';
  readonly fields: readonly (readonly [name: string, value: string | undefined])[] | undefined;
}

/** RFC 5161. Upper case. */
export interface EnableCommand extends Tagged {
  readonly name: 'ENABLE';
  readonly capabilities: readonly string[];
}

export type Command =
  | PlainCommand
  | LoginCommand
  | AuthenticateCommand
  | CompressCommand
  | IdCommand
  | EnableCommand
  | SelectCommand
  | CreateCommand
  | MailboxCommand
  | RenameCommand
  | StatusCommand
  | ListCommand
  | NotifyCommand
  | GetMetadataCommand
  | SetAclCommand
  | IdentifierCommand
  | GetRightsCommand
  | SetMetadataCommand
  | GetQuotaCommand
  | GetQuotaRootCommand
  | SetQuotaCommand
  | LsubCommand
  | AppendCommand
  | ReplaceCommand
  | ExpungeCommand
  | SearchCommand
  | SortCommand
  | ThreadCommand
  | MultisearchCommand
  | CancelUpdateCommand
  | FetchCommand
  | StoreCommand
  | CopyCommand;

export type CommandName = Command['name'];

/** The member of the union with this name: `CommandNamed<'FETCH'>`. */
export type CommandNamed<Name extends CommandName> = Extract<Command, { readonly name: Name }>;
