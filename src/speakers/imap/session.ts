// One IMAP session: who it acts for, which mailbox it has selected, what the client enabled. Kept small, because
// thousands of them idle: what a command needs while it runs lives in the command.
// Invariants: `account` is set in every state but notAuthenticated; `view` exactly in the state selected; nothing but the
// dispatcher and IDLE writes to the connection between commands. When a session ends, `release` gives back its watch.

import type { AccountPort, AccountPorts } from '../../account/port.ts';
import type { ByteBudget } from '../../base/byte-budget.ts';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { SparseSlicer } from '../../base/slicer.ts';
import type {
  AuthenticationContext,
  Authenticator,
  DirectoryAdministration,
  Principal,
} from '../../directory/directory.ts';
import type { AccountId, OperationId } from '../../mail/ids.ts';
import type { Capability } from '../../wire/imap/capability.ts';
import type { CommandReaderLimits } from '../../wire/imap/command-reader.ts';
import { type Connection, IdleTimeout } from '../kit/connection.ts';
import { DeflatedConnection } from '../kit/deflated-connection.ts';
import { hasEndedLogin } from '../kit/has-ended-login.ts';
import type { AccountWatches } from './account-watches.ts';
import type { ImapLimits } from './imap-limits.ts';
import type { Notifications } from './notify/notifications.ts';
import type { SearchUpdate } from './search-updates.ts';
import type { MailboxView } from './view.ts';

/** What sessions of administrators do with the directory. */
export type ImapAdministration = Pick<DirectoryAdministration, 'account' | 'accountByAddress' | 'setAccount'>;

export type SessionState = 'notAuthenticated' | 'authenticated' | 'selected' | 'logout';

/** What all sessions of one speaker share. */
export interface ImapEnvironment {
  readonly authenticator: Authenticator;
  /** Undefined: administrators are like everybody here. */
  readonly administration?: ImapAdministration | undefined;
  readonly accounts: AccountPorts;
  readonly watches: AccountWatches;
  readonly limits: ImapLimits;
  readonly readerLimits: CommandReaderLimits;
  /** Of a session with an account. */
  readonly capabilities: readonly Capability[];
  /** Messages of APPEND in memory, of all sessions together. */
  readonly messageBytes: ByteBudget;
  /** Answers that clients have not taken yet, of all sessions together. */
  readonly answersAhead: ByteBudget;
  /** Counts a finished command and its time. */
  observeCommand(name: string, status: string, durationMs: number): void;
  readonly clock: Clock;
  /** Asked before each command, told behind it. */
  readonly slicer: SparseSlicer;
  readonly random: Random;
  /** Names this server in its greeting. */
  readonly hostname: string;
  readonly version: string;
  /** False: no LOGIN and no AUTH before TLS (LOGINDISABLED). */
  readonly allowCleartextLogin: boolean;
  /** Messages with 8-bit headers are taken from clients that did not ask for UTF-8 (RFC 6855 section 4 forbids it). */
  readonly acceptsRawHeaders: boolean;
  /** STARTTLS is possible on this listener. */
  readonly offersTls: boolean;
}

export class ImapSession {
  readonly environment: ImapEnvironment;
  /** Another one over it while COMPRESS is active. */
  connection: Connection;
  state: SessionState = 'notAuthenticated';
  account: AccountPort | undefined;
  /** See WatchingSessions. */
  epoch: string | undefined;
  view: MailboxView | undefined;
  /** An administrator logged in, with the account's own secret; look whether it is one still. */
  administers = false;
  /** ENABLE IMAP4rev2 (RFC 9051 appendix E): ESEARCH instead of SEARCH, no RECENT, UTF-8 names. */
  revision2 = false;
  /** RFC 7162 3.1: a CONDSTORE enabling command came; FETCH answers carry MODSEQ. */
  condstore = false;
  /** ENABLE QRESYNC (RFC 7162 3.2.3): VANISHED instead of EXPUNGE. Implies condstore. */
  qresync = false;
  /** ENABLE UIDONLY (RFC 9586): no message numbers, in either direction. */
  uidOnly = false;
  /** The highest mod-sequence told in the running command: the client may take it for what it is synchronised to. */
  toldModSeq = 0;
  /** ENABLE UTF8=ACCEPT (RFC 6855) or IMAP4rev2: names go out in UTF-8. */
  utf8 = false;
  /** The account told of changes to the selected mailbox that the view has not been advanced to. */
  stale = false;
  /** The account was closed or the mailbox deleted under us: the session ends with this text. */
  farewell: string | undefined;
  /** NOTIFY SET (RFC 5465); undefined: the client hears of its selected mailbox at the end of commands. */
  notifications: Notifications | undefined;
  /** While it is told of something between commands: the next command waits for it. */
  notifying: Promise<void> | undefined;
  /** No command is running: what ends the session must say so itself. */
  waiting = false;
  /** Set by IDLE: called when there is something to push. */
  wake: (() => void) | undefined;
  loginFailures = 0;
  /** Searches whose results the client is told of (RFC 5267 4.3); undefined: none (nearly always). */
  searchUpdates: SearchUpdate[] | undefined;
  /** Others' accounts that it uses, by what stands before their mailboxes' names; undefined: none (nearly always). */
  others: Map<string, AccountPort> | undefined;
  /** Somebody else's, whose mailbox is or is about to be selected. */
  #visited: AccountPort | undefined;
  #unwatchActor: (() => void) | undefined;
  #deflated: DeflatedConnection | undefined;
  #loginDeadlineMs: number;
  #operations = 0;

  constructor(environment: ImapEnvironment, connection: Connection) {
    this.environment = environment;
    this.connection = connection;
    this.#loginDeadlineMs = environment.clock.monotonic() + environment.limits.loginTimeoutMs;
  }

  get compressed(): boolean {
    return this.#deflated !== undefined;
  }

  /** From what is written next on (RFC 4978). */
  startCompression(): void {
    this.connection.flush();
    this.#deflated = new DeflatedConnection(this.connection);
    this.connection = this.#deflated;
  }

  /** What was written so far still goes out compressed. */
  async stopCompression(): Promise<void> {
    const deflated = this.#deflated!;
    this.#deflated = undefined;
    this.connection = await deflated.stop();
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
    const { accounts, watches, authenticator } = this.environment;
    const { accountId, sessionEpoch, actor } = principal;
    const account = await accounts.open(accountId);
    const ofActor = actor && (await accounts.open(actor.accountId));
    this.account = account;
    this.connection.user = {
      accountId,
      address: principal.address,
      selected: () => this.view && { accountId: this.view.account.accountId, mailboxId: this.view.mailboxId },
    };
    this.epoch = sessionEpoch;
    this.administers = principal.administrator && principal.appPasswordId === undefined;
    this.state = 'authenticated';
    watches.join(account, this);
    this.#unwatchActor = ofActor && watches.watchActor(ofActor, this, actor?.sessionEpoch);
    try {
      // Behind it: of what happens from now on the session hears.
      if (await hasEndedLogin(authenticator, 'imap', principal)) this.farewell = 'Login has ended';
    } catch (error) {
      this.leave();
      throw error;
    }
  }

  /** Before a mailbox of the account is opened: it is heard of its changes until `unselect`. */
  visit(account: AccountPort): void {
    if (account.accountId === this.account?.accountId) return;
    this.#visited = account;
    this.environment.watches.join(account, this);
  }

  /** A mailbox of this account of somebody else is, or is about to be, selected. */
  visits(accountId: AccountId): boolean {
    return this.#visited?.accountId === accountId;
  }

  #endVisit(): void {
    const visited = this.#visited;
    this.#visited = undefined;
    if (visited !== undefined) this.#leaveUnneeded(visited);
  }

  /** What NOTIFY asked for, from now on; what is watched only for what it asked before is left. */
  notify(notifications: Notifications | undefined): void {
    const before = this.notifications;
    this.notifications = notifications;
    for (const { account } of before?.others.values() ?? []) this.#leaveUnneeded(account);
  }

  stopWatching({ account }: { readonly account: AccountPort }): void {
    this.notifications?.others.delete(account.accountId);
    this.#leaveUnneeded(account);
  }

  /** Somebody else's, unless the selected mailbox or NOTIFY needs to hear of it. */
  #leaveUnneeded(account: AccountPort): void {
    const { accountId } = account;
    if (this.visits(accountId) || this.notifications?.others.has(accountId)) return;
    this.environment.watches.leave(account, this);
  }

  /** Call `unselect` before the mailbox is opened: from then on `stale` tells of changes its snapshot may lack. */
  select(view: MailboxView): void {
    this.view = view;
    this.state = 'selected';
  }

  unselect(): void {
    this.#endVisit();
    this.view = undefined;
    this.searchUpdates = undefined;
    this.stale = false;
    this.state = 'authenticated';
  }

  /** RFC 7162 3.1: the first CONDSTORE enabling command tells of the selected mailbox what the client knows of it. */
  enableCondstore(): void {
    if (this.condstore) return;
    this.condstore = true;
    if (this.view === undefined) return;
    this.connection.write(`* OK [HIGHESTMODSEQ ${this.view.settledModSeq}] Known so far\r\n`);
  }

  /** Back to before the login (RFC 8437): what the account and its client left in the session goes. */
  leave(): void {
    const { clock, limits } = this.environment;
    this.unselect();
    this.release();
    this.account = undefined;
    this.connection.user = undefined;
    this.administers = false;
    this.others = undefined;
    this.state = 'notAuthenticated';
    this.revision2 = false;
    this.condstore = false;
    this.qresync = false;
    this.uidOnly = false;
    this.utf8 = false;
    this.#loginDeadlineMs = clock.monotonic() + limits.loginTimeoutMs;
  }

  release(): void {
    this.#unwatchActor?.();
    this.#unwatchActor = undefined;
    this.notify(undefined);
    this.#endVisit();
    if (this.account !== undefined) this.environment.watches.leave(this.account, this);
    this.view = undefined;
    this.state = 'logout';
  }
}

/** The session's own account, in a state that has one: the command table saw to it. */
export function accountOf(session: ImapSession): AccountPort {
  return session.account!;
}

/** The view of a session that has selected a mailbox: the command table saw to it. */
export function viewOf(session: ImapSession): MailboxView {
  return session.view!;
}
