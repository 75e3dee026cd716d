// Snapshots: each a read-only transaction of one moment (REPEATABLE READ) on a connection of its own, which the next snapshot
// uses again.
//
// Invariant: their number and age are bounded, because an old one keeps the server from removing rows that were changed
// since. A snapshot whose connection was lost, or hangs, cannot be had again: its reads reject with a temporary Fault.

import type { Clock, Timer } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import type { Bytes, Page, PageLimits, Range, Snapshot } from '../engine.ts';
import type { Parameter, Row, Statement } from './postgres-messages.ts';
import { PostgresPlaces } from './postgres-places.ts';
import { readMany, readPage } from './postgres-reads.ts';
import { ConnectionLost, ConnectionSilent, type PostgresSession } from './postgres-session.ts';

const begin: Statement = { name: 'begin', text: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY' };
/** The moment is that of the first statement. */
const look: Statement = { name: 'look', text: 'SELECT 1' };
const end: Statement = { name: 'end', text: 'COMMIT' };
/** Connections that wait for the next snapshot. */
const idleMax = 4;
/** A snapshot is wanted by somebody who waits; that so many are held so long is a fault. */
const waitMsMax = 10_000;

export interface PostgresSnapshotsOptions {
  readonly connect: () => Promise<PostgresSession>;
  readonly snapshotsMax: number;
  readonly ageMsMax: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export class PostgresSnapshots {
  readonly #options: PostgresSnapshotsOptions;
  readonly #held = new Set<PostgresSnapshot>();
  readonly #places: PostgresPlaces;
  #idle: PostgresSession[] = [];
  /** Rises when all connections are left: one that was being asked then is not used again. */
  #era = 0;
  #closed = false;

  constructor(options: PostgresSnapshotsOptions) {
    this.#options = options;
    this.#places = new PostgresPlaces(options.snapshotsMax, options.clock);
  }

  async take(): Promise<Snapshot> {
    if (!(await this.#places.take(waitMsMax))) {
      const why = this.#closed ? 'the store is closed' : 'too many snapshots are held';
      throw new Fault(why, { temporary: true });
    }
    const era = this.#era;
    try {
      const session = await this.#begin();
      const snapshot = new PostgresSnapshot(session, this.#options, (ended) =>
        this.#giveBack(ended, session),
      );
      this.#held.add(snapshot);
      if (era !== this.#era) {
        session.destroy('its server was left');
        snapshot.end(this.#closed ? 'the store is closed' : 'another server takes the writes now');
      }
      return snapshot;
    } catch (error) {
      this.#places.give();
      throw error;
    }
  }

  /** Ends all snapshots and their connections. */
  leave(why: string): void {
    this.#era++;
    for (const snapshot of this.#held) snapshot.end(why);
    for (const session of this.#idle) session.destroy(why);
    this.#idle = [];
  }

  close(): void {
    this.#closed = true;
    this.leave('the store is closed');
    this.#places.close();
  }

  /** An idle connection may have been lost, or hang, without anybody's notice: then a new one is tried. */
  async #begin(): Promise<PostgresSession> {
    for (;;) {
      const idle = this.#idle.pop();
      const session = idle ?? (await this.#options.connect());
      try {
        await Promise.all([session.run(begin), session.run(look)]);
        return session;
      } catch (cause) {
        session.destroy('a snapshot could not begin');
        // What silenced it may have silenced those that wait beside it.
        if (cause instanceof ConnectionSilent) this.#leaveUnheard(cause.since);
        if (idle === undefined) throw new Fault('a snapshot could not begin', { temporary: true, cause });
      }
    }
  }

  #leaveUnheard(since: number): void {
    const unheard = this.#idle.filter(({ heardAt }) => heardAt < since);
    this.#idle = this.#idle.filter(({ heardAt }) => heardAt >= since);
    for (const session of unheard) session.destroy('one beside it hung, and it was not heard of since');
  }

  #giveBack(snapshot: PostgresSnapshot, session: PostgresSession): void {
    this.#held.delete(snapshot);
    this.#places.give();
    if (this.#closed || this.#idle.length >= idleMax || session.isLost) {
      session.destroy('no more snapshots are wanted');
      return;
    }
    // What a reader still awaits is answered before the end.
    session.run(end).catch(() => session.destroy('a snapshot could not end'));
    this.#idle.push(session);
  }
}

class PostgresSnapshot implements Snapshot {
  readonly #ended: (snapshot: PostgresSnapshot) => void;
  readonly #timer: Timer;
  #session: PostgresSession | undefined;
  #endedWhy = 'the snapshot is released';

  constructor(
    session: PostgresSession,
    { clock, ageMsMax, log }: PostgresSnapshotsOptions,
    ended: (snapshot: PostgresSnapshot) => void,
  ) {
    this.#session = session;
    this.#ended = ended;
    this.#timer = clock.after(ageMsMax, () => {
      log.warn({ ageMsMax }, 'a snapshot lived too long and is ended');
      this.end('the snapshot lived too long');
    });
  }

  async get(key: Bytes): Promise<Bytes | undefined> {
    return (await readMany(this.#run, [key]))[0];
  }

  getMany(keys: readonly Bytes[]): Promise<(Bytes | undefined)[]> {
    return readMany(this.#run, keys);
  }

  page(range: Range, limits: PageLimits): Promise<Page> {
    return readPage(this.#run, range, limits);
  }

  end(why: string): void {
    if (this.#session === undefined) return;
    this.#session = undefined;
    this.#endedWhy = why;
    this.#timer.cancel();
    this.#ended(this);
  }

  async release(): Promise<void> {
    this.end('the snapshot is released');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  readonly #run = async (statement: Statement, parameters: readonly Parameter[]): Promise<readonly Row[]> => {
    if (this.#session === undefined) throw new Fault(this.#endedWhy, { temporary: true });
    try {
      return (await this.#session.run(statement, parameters)).rows;
    } catch (cause) {
      const isLost = cause instanceof ConnectionLost;
      const what = isLost ? "a snapshot's connection was lost" : 'a read of a snapshot failed';
      throw new Fault(what, { temporary: true, cause });
    }
  };
}
