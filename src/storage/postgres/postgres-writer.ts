// Sends groups of batches to PostgreSQL over one connection, each group one request and one transaction, the next one
// behind it without waiting for the answer; and finds out what became of them when the connection is lost.
//
// Invariants: batches are applied in the order of the calls: a group counts the one before it (the session's counter in
// postgres-schema.ts), so when one was not applied, none behind it is, and they are sent again in order. A commit is
// settled by the server's answer, or by the outcome that the group left in the same transaction, read on a new connection
// after which the old one can no longer apply anything (the generation). What must be on a standby and is on none is held
// (postgres-unconfirmed.ts). When the database stays away past the limit, what was never applied rejects with a temporary
// Fault, and what nobody can tell with UnknownOutcomeFault.

import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import { MailError } from '../../mail/mail-error.ts';
import type { PendingCommit } from '../group-commit.ts';
import { UnknownOutcomeFault } from '../unknown-outcome.ts';
import { type Dependent, dependentsOf, firstRefusal, splitAt } from './postgres-merge.ts';
import { noStandby, outOfOrder, refusalFor, superseded } from './postgres-schema.ts';
import { type Answer, ConnectionLost, PostgresError, type PostgresSession } from './postgres-session.ts';
import {
  continueAfter,
  hasGroup,
  resolveOutcomes,
  standbyStatement,
  takeOver,
  type WriterIdentity,
} from './postgres-takeover.ts';
import { UnconfirmedCommits } from './postgres-unconfirmed.ts';
import { type Group, makeUnit, type Unit } from './postgres-unit.ts';

/** Groups on their way to the server. The parts of a group that was split may be many and small. */
const inFlightMax = 8;
/** A group that lost a race for a row (a deadlock, a row that changed meanwhile) is sent again so many times. */
const attemptsMax = 6;
/** The server remembers the outcomes of so many groups at the least (postgres-schema.ts), those under way not counted. */
const keptGroups = 1000n;
/** PostgreSQL takes no message of a gigabyte, and needs several times its memory for a large one. */
const batchBytesMax = 512 * 1024 * 1024;
const firstDelayMs = 50;
const delayMsMax = 500;
/** Not applied, for a reason that may be gone at the next attempt: serialization, deadlock. */
const retriedCodes: ReadonlySet<string> = new Set(['40001', '40P01']);
/** The connection is of no more use: another took over, or the server takes no writes any more. */
const uselessCodes: ReadonlySet<string> = new Set([superseded, '25006']);

const applyStatement = {
  name: 'apply',
  text: `SELECT rookery.apply_v1($1, $2, $3, $4, $5, ${Array.from({ length: 11 }, (_, index) => `$${index + 6}`).join(', ')})`,
};
/** By the function's number: what is to confirm a commit whose answer was lost. */
const confirmations = ['none', 'needed', 'ifAttached'] as const;
export type Durability = 'local' | 'standby';

export interface PostgresWriterOptions {
  readonly identity: WriterIdentity;
  readonly connect: () => Promise<PostgresSession>;
  readonly durability: Durability;
  readonly allowAlone: boolean;
  /** So long the database may be away before those who wait are refused. */
  readonly awayLimitMs: number;
  readonly committed: (pending: PendingCommit) => void;
  /** Another server takes the writes now: what is read elsewhere may be old. */
  readonly moved: () => void;
  /**
   * The server lacks a commit that was acknowledged; called before anything is committed there. `gone`: what was decided before
   * is refused with it. `mayLackMail` false: it lacks only what needed no standby and had none.
   */
  readonly reverted: (gone: Fault, mayLackMail: boolean) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export class PostgresWriter {
  readonly #options: PostgresWriterOptions;
  readonly #standby: number;
  readonly #unconfirmed: UnconfirmedCommits;
  #session: PostgresSession | undefined;
  #generation = 0n;
  /** Of the last group that was sent. */
  #sequence = 0n;
  /** Of the last group that is known to be done. */
  #settled = 0n;
  /** Of the last group that was applied and said to be. */
  #acknowledged = 0n;
  /** Of the last group of which something was said to be applied though no standby was known to have it. */
  #wentAlone = 0n;
  #queue: Unit[] = [];
  #inFlight: Unit[] = [];
  /** Not applied, or not known to be: to be sent again when the answers behind them are in. */
  #again: Unit[] = [];
  #recovering: Promise<void> | undefined;
  /** The limit passed and the database is still away. */
  #away: Error | undefined;
  #closed = false;
  #requests = 0;

  constructor(options: PostgresWriterOptions) {
    this.#options = options;
    this.#standby = options.durability === 'local' ? 0 : options.allowAlone ? 2 : 1;
    this.#unconfirmed = new UnconfirmedCommits({
      identity: options.identity,
      limitMs: options.awayLimitMs,
      session: () => this.#session,
      confirmed: (sequence, commits) => {
        if (sequence > this.#acknowledged) this.#acknowledged = sequence;
        for (const pending of commits) options.committed(pending);
      },
      clock: options.clock,
    });
  }

  /** How many requests went out. */
  get requests(): number {
    return this.#requests;
  }

  /** Begins with a session that nobody used for commits before. */
  async open(session: PostgresSession): Promise<void> {
    const needsStandby = this.#standby > 0;
    this.#generation = await takeOver(session, this.#options.identity, { needsStandby, isAgain: false });
    await continueAfter(session, 0n);
    this.#attach(session);
  }

  /** Settles every commit of the group, but for those that wait for a standby; resolves then. */
  write(commits: readonly PendingCommit[]): Promise<void> {
    return new Promise((done) => {
      const group = { left: commits.length, done };
      if (this.#away !== undefined) {
        const refusal = new Fault('the database is away', { temporary: true, cause: this.#away });
        this.#rejectAll(group, commits, refusal);
        return;
      }
      if (commits[0]!.bytes > batchBytesMax) {
        const refusal = new MailError('limitReached', `a change of ${commits[0]!.bytes} bytes`);
        this.#rejectAll(group, commits, refusal);
        return;
      }
      this.#queue.push(makeUnit(group, commits));
      this.#pump();
    });
  }

  /** To be called when everything is settled. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#unconfirmed.close();
    await this.#recovering;
    await this.#session?.close();
  }

  #attach(session: PostgresSession): void {
    this.#session = session;
    void session.ended.then(() => this.#sessionEnded(session));
    this.#pump();
  }

  #sessionEnded(session: PostgresSession): void {
    if (this.#session !== session) return;
    this.#session = undefined;
    if (this.#closed) return;
    // The answers that will not come are rejected by now, but their handlers run after this one.
    this.#recovering = this.#options.clock.nextTurn().then(() => this.#recover(session));
  }

  #pump(): void {
    const session = this.#session;
    if (session === undefined || session.isLost || this.#again.length > 0) return;
    while (this.#queue.length > 0 && this.#inFlight.length < inFlightMax)
      this.#send(session, this.#queue.shift()!);
  }

  #send(session: PostgresSession, unit: Unit): void {
    this.#sequence++;
    unit.sequence = this.#sequence;
    unit.isUnknown = false;
    this.#inFlight.push(unit);
    this.#requests++;
    const { merged } = unit;
    const standby = unit.goesAlone ? 2 : this.#standby;
    const applied = session.run(applyStatement, [
      this.#options.identity.id,
      this.#generation,
      unit.sequence,
      unit.commits.length === 1 ? 1 : 0,
      standby,
      merged.fences.map(({ key }) => key),
      merged.fences.map(({ value }) => value!),
      merged.conditions.map(({ key }) => key),
      merged.conditions.map(({ value }) => value!),
      merged.absences.map(({ key }) => key),
      merged.absentValues,
      merged.rangeStarts,
      merged.rangeEnds,
      merged.deleteKeys,
      merged.putKeys,
      merged.putValues,
    ]);
    // After the commit: the wait for the standby may have ended because there was none to wait for any more.
    const answered =
      standby === 1
        ? Promise.all([applied, session.run(standbyStatement)]).then(([answer, attached]) => {
            const isAlone = attached.rows[0]![0]!.readInt32BE() === 0 || answer.warnings.length > 0;
            return { answer, isAlone };
          })
        : applied.then((answer) => ({ answer, isAlone: false }));
    answered.then(
      ({ answer, isAlone }) => this.#answered(unit, answer, isAlone),
      (error) => this.#failed(session, unit, error),
    );
  }

  #answered(unit: Unit, answer: Answer, isAlone: boolean): void {
    this.#landed(unit);
    this.#finish(unit, answer.rows[0]![0]!.toString('latin1'), isAlone);
    this.#next();
  }

  /** By what the function returned, now or read later. `isAlone`: nobody can tell whether a standby has it. */
  #finish(unit: Unit, outcome: string, isAlone: boolean): void {
    const { commits, merged, group } = unit;
    const dependents = outcome === '' ? [] : dependentsOf(merged, outcome.split(',').map(Number));
    if (outcome !== '' && commits.length > 1) {
      this.#split(unit, dependents);
      return;
    }
    this.#settled = unit.sequence;
    if (outcome === '' && (isAlone || unit.goesAlone)) this.#wentAlone = unit.sequence;
    else if (outcome === '') this.#acknowledged = unit.sequence;
    const held: PendingCommit[] = [];
    for (let index = 0; index < commits.length; index++) {
      const pending = commits[index]!;
      const refusal = firstRefusal(dependents) ?? merged.refusals[index];
      if (refusal !== undefined) pending.resolve(refusal);
      else if (isAlone && pending.batch.withoutStandby !== true) held.push(pending);
      else this.#options.committed(pending);
    }
    if (held.length > 0) this.#unconfirmed.hold(unit.sequence, held);
    this.#count(group, commits.length);
  }

  #split({ group, commits }: Unit, dependents: readonly Dependent[]): void {
    const alone = new Set(dependents.map(({ batch }) => batch));
    for (const part of splitAt(commits, alone)) this.#again.push(makeUnit(group, part));
  }

  #failed(session: PostgresSession, unit: Unit, error: unknown): void {
    this.#landed(unit);
    const code = error instanceof PostgresError ? error.code : '';
    if (error instanceof ConnectionLost) {
      unit.isUnknown = true;
      this.#again.push(unit);
    } else if (code === outOfOrder) {
      this.#again.push(unit);
    } else if (uselessCodes.has(code)) {
      this.#again.push(unit);
      session.destroy(`it cannot write any more: ${String(error)}`);
    } else if (retriedCodes.has(code) && ++unit.attempts < attemptsMax) {
      this.#again.push(unit);
    } else if (code === noStandby) {
      this.#refuseAlone(unit, error);
    } else if (unit.commits.length > 1) {
      // One batch of them may be the reason.
      const everyOne = new Set(unit.commits.keys());
      for (const part of splitAt(unit.commits, everyOne)) this.#again.push(makeUnit(unit.group, part));
    } else {
      this.#rejectAll(unit.group, unit.commits, refusalFor(code, error));
    }
    this.#next();
  }

  /** What needs no standby goes again without the others. */
  #refuseAlone({ group, commits }: Unit, error: unknown): void {
    const refused = commits.filter(({ batch }) => batch.withoutStandby !== true);
    const others = commits.filter(({ batch }) => batch.withoutStandby === true);
    if (others.length > 0) this.#again.push(makeUnit(group, others, true));
    this.#rejectAll(group, refused, refusalFor(noStandby, error));
  }

  #landed(unit: Unit): void {
    const landed = this.#inFlight.shift();
    if (landed !== unit) throw new Error('a commit was answered out of its order');
  }

  /** What is to be sent again goes before what waits, when all answers are in. */
  #next(): void {
    if (this.#inFlight.length === 0 && this.#session?.isLost === false) {
      this.#queue = [...this.#again, ...this.#queue];
      this.#again = [];
      this.#sequence = this.#settled;
    }
    this.#pump();
  }

  async #recover(lost: PostgresSession): Promise<void> {
    const { clock, log, awayLimitMs } = this.#options;
    log.warn({ server: lost.address, unknown: this.#again.length }, 'the connection for commits was lost');
    let last: unknown;
    const limit = clock.after(awayLimitMs, () => this.#giveUpWaiting(last));
    for (let delayMs = firstDelayMs; !this.#closed; delayMs = Math.min(2 * delayMs, delayMsMax)) {
      let session: PostgresSession | undefined;
      try {
        session = await this.#options.connect();
        await this.#resume(session, lost);
        log.info({ server: session.address }, 'commits go on');
        break;
      } catch (error) {
        session?.destroy('commits could not go on here');
        last = error;
        log.warn({ err: error }, 'commits cannot go on yet');
        await clock.sleep(delayMs);
      }
    }
    limit.cancel();
    if (this.#closed) this.#giveUpWaiting(last);
  }

  /** Finds out what became of the groups that were under way, and goes on behind them. */
  async #resume(session: PostgresSession, lost: PostgresSession): Promise<void> {
    const { identity } = this.#options;
    const since = this.#settled;
    const generation = await takeOver(session, identity, { needsStandby: this.#standby > 0, isAgain: true });
    const found = await resolveOutcomes(session, identity, since, confirmations[this.#standby]!);
    const { outcomes, areConfirmed } = found;
    const isGone = async (group: bigint): Promise<boolean> =>
      group > 0n && since - group < keptGroups && !(await hasGroup(session, identity, group));
    const mayLackMail = await isGone(this.#acknowledged);
    const isReverted = mayLackMail || (await isGone(this.#wentAlone));
    this.#generation = generation;
    if (isReverted || session.server !== lost.server) this.#options.moved();
    if (isReverted) this.#revert(session, mayLackMail);
    const unsettled = this.#again;
    this.#again = [];
    for (const unit of unsettled) {
      const outcome = unit.isUnknown ? outcomes.get(unit.sequence) : undefined;
      unit.isUnknown = false;
      if (outcome !== undefined) {
        this.#finish(unit, outcome, !areConfirmed);
      } else if (++unit.attempts < attemptsMax) {
        this.#again.push(unit);
      } else {
        // It may be what ends the connections.
        const refusal = new Fault('a commit failed again and again', { temporary: true });
        this.#rejectAll(unit.group, unit.commits, refusal);
      }
    }
    let reached = since;
    for (const sequence of outcomes.keys()) if (sequence > reached) reached = sequence;
    this.#settled = reached;
    await continueAfter(session, reached);
    this.#sequence = reached;
    this.#away = undefined;
    this.#attach(session);
    this.#next();
  }

  /** What waits was decided on what is gone, and is not written on top of what there is. */
  #revert({ address }: PostgresSession, mayLackMail: boolean): void {
    const { log, reverted } = this.#options;
    this.#acknowledged = 0n;
    this.#wentAlone = 0n;
    const lacking = 'the database lacks commits that it had acknowledged';
    if (mayLackMail)
      log.error({ server: address }, `${lacking}: mail that was accepted, and changes, may be missing`);
    else log.warn({ server: address }, `${lacking} while no standby was attached: none of them was mail`);
    const gone = new Fault('the database lost what this was decided on', { temporary: true });
    reverted(gone, mayLackMail);
    for (const { group, commits } of this.#takeWaiting()) this.#rejectAll(group, commits, gone);
  }

  #giveUpWaiting(cause: unknown): void {
    const away = new Fault('the database is away', { temporary: true, cause });
    this.#away = away;
    for (const { group, commits, isUnknown } of this.#takeWaiting()) {
      const unknown = new UnknownOutcomeFault('the database went away during a commit', cause);
      this.#rejectAll(group, commits, isUnknown ? unknown : away);
    }
  }

  #takeWaiting(): Unit[] {
    const waiting = [...this.#again, ...this.#queue];
    this.#again = [];
    this.#queue = [];
    return waiting;
  }

  #rejectAll(group: Group, commits: readonly PendingCommit[], error: Error): void {
    for (const pending of commits) pending.reject(error);
    this.#count(group, commits.length);
  }

  #count(group: Group, settled: number): void {
    group.left -= settled;
    if (group.left === 0) group.done();
  }
}
