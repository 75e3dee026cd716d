// The sessions of one process as an operator sees and ends them. What is listed is of this moment; who ends a session says
// nothing about the next one: its client may come again at once.

import type { AccountId, MailboxId } from '../../mail/ids.ts';

export interface SelectedMailbox {
  /** Whose it is. */
  readonly accountId: AccountId;
  readonly mailboxId: MailboxId;
}

/** Who is logged in on a connection. */
export interface SessionUser {
  readonly accountId: AccountId;
  readonly address: string;
  /** What is selected now. Absent: the protocol has no mailboxes. */
  readonly selected?: () => SelectedMailbox | undefined;
}

export interface OpenSession {
  /** As in the log: the session's trace id. */
  readonly id: string;
  /** The listener's name: "imaps". */
  readonly listener: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Seconds since 1970 UTC. */
  readonly connectedAt: number;
  /** The version; undefined: in the clear. */
  readonly tls: string | undefined;
  /** Undefined: nobody has logged in. */
  readonly user: SessionUser | undefined;
}

export interface OpenSessions {
  list(): Iterable<OpenSession>;
  /**
   * Ends those that are wanted, and says how many: each is told so when its command is done, and is cut off when that takes long.
   */
  end(isWanted: (session: OpenSession) => boolean): number;
}
