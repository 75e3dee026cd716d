// One IMAP session: who it acts for, which mailbox it has selected, what the client enabled. Kept small, because
// thousands of them idle: what a command needs while it runs lives in the command.
// Invariants: `account` is set in every state but notAuthenticated; `view` exactly in the state selected; nothing but the
// dispatcher and IDLE writes to the connection between commands. When a session ends, `release` gives back its watch.

import type { AccountPort, AccountPorts } from '../../account/port.ts';
import type { ByteBudget } from '../../base/byte-budget.ts';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { AuthenticationContext, Authenticator, Principal } from '../../directory/directory.ts';
import type { OperationId } from '../../mail/ids.ts';
import type { Capability } from '../../wire/imap/capability.ts';
import type { CommandReaderLimits } from '../../wire/imap/command-reader.ts';
import { type Connection, IdleTimeout } from '../kit/connection.ts';
import type { AccountWatches } from './account-watches.ts';
import type { ImapLimits } from './imap-limits.ts';
import type { MailboxView } from './view.ts';

export type SessionState = 'notAuthenticated' | 'authenticated' | 'selected' | 'logout';

/** What all sessions of one speaker share. */
export interface ImapEnvironment {
  readonly authenticator: Authenticator;
  readonly accounts: AccountPorts;
  readonly watches: AccountWatches;
  readonly limits: ImapLimits;
  readonly readerLimits: CommandReaderLimits;
  /** Of a session with an account. */
  readonly capabilities: readonly Capability[];
  /** Messages of APPEND in memory, of all sessions together. */
  readonly messageBytes: ByteBudget;
  /** Counts a finished command and its time. */
  observeCommand(name: string, status: string, durationMs: number): void;
  readonly clock: Clock;
  readonly random: Random;
  /** Names this server in its greeting. */
  readonly hostname: string;
  readonly version: string;
  /** False: no LOGIN and no AUTH before TLS (LOGINDISABLED). */
  readonly allowCleartextLogin: boolean;
  /** STARTTLS is possible on this listener. */
  readonly offersTls: boolean;
}

export class ImapSession {
  readonly environment: ImapEnvironment;
  readonly connection: Connection;
  state: SessionState = 'notAuthenticated';
  account: AccountPort | undefined;
  view: MailboxView | undefined;
  /** ENABLE IMAP4rev2 (RFC 9051 appendix E): ESEARCH instead of SEARCH, no RECENT, UTF-8 names. */
  revision2 = false;
  /** RFC 7162 3.1: a CONDSTORE enabling command came; FETCH answers carry MODSEQ. */
  condstore = false;
  /** ENABLE UTF8=ACCEPT (RFC 6855) or IMAP4rev2: names go out in UTF-8. */
  utf8 = false;
  /** The account told of changes to the selected mailbox that the view has not been advanced to. */
  stale = false;
  /** The account was closed or the mailbox deleted under us: the session ends with this text. */
  farewell: string | undefined;
  /** No command is running: what ends the session must say so itself. */
  waiting = false;
  /** Set by IDLE: called when there is something to push. */
  wake: (() => void) | undefined;
  loginFailures = 0;
  readonly #loginDeadlineMs: number;
  #operations = 0;

  constructor(environment: ImapEnvironment, connection: Connection) {
    this.environment = environment;
    this.connection = connection;
    this.#loginDeadlineMs = environment.clock.monotonic() + environment.limits.loginTimeoutMs;
  }

  /**
   * How long to wait for input now. Strangers have one deadline for all they do, so that neither NOOPs nor bytes now and
   * then buy time. Throws IdleTimeout when it has passed.
   */
  inputTimeoutMs(): number {
    const { clock, limits } = this.environment;
    if (this.state !== 'notAuthenticated') return limits.idleTimeoutMs;
    const rest = this.#loginDeadlineMs - clock.monotonic();
    if (rest <= 0) throw new IdleTimeout();
    return rest;
  }

  get authenticationContext(): AuthenticationContext {
    const { remoteAddress, traceId } = this.connection;
    return { service: 'imap', remoteAddress, traceId };
  }

  /** A fresh id for a mutation: the trace id is unique, the number within it too. */
  operation(): OperationId {
    this.#operations++;
    return `${this.connection.traceId}.${this.#operations}` as OperationId;
  }

  /** After authentication. */
  async enter(principal: Principal): Promise<void> {
    this.account = await this.environment.accounts.open(principal.accountId);
    this.state = 'authenticated';
    this.environment.watches.join(this.account, this);
  }

  /** Call `unselect` before the mailbox is opened: from then on `stale` tells of changes its snapshot may lack. */
  select(view: MailboxView): void {
    this.view = view;
    this.state = 'selected';
  }

  unselect(): void {
    this.view = undefined;
    this.stale = false;
    this.state = 'authenticated';
  }

  release(): void {
    if (this.account !== undefined) this.environment.watches.leave(this.account.accountId, this);
    this.view = undefined;
    this.state = 'logout';
  }
}

/** The account of a session in a state that has one: the command table saw to it. */
export function accountOf(session: ImapSession): AccountPort {
  return session.account!;
}

/** The view of a session that has selected a mailbox: the command table saw to it. */
export function viewOf(session: ImapSession): MailboxView {
  return session.view!;
}
