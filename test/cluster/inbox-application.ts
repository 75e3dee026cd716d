// An application with imapflow: it keeps a copy of INBOX that follows by IDLE and, when its session ended, catches up on the
// next one by what changed since then (RFC 7162), and it appends, flags, moves, expunges and reads all the while. The copy
// is never made anew: at the end it is what the mailbox is, or a change was not told, was told twice, or of another message.

import assert from 'node:assert/strict';
import type { ImapFlow } from 'imapflow';
import { systemClock } from '../../src/base/clock.ts';
import { ServerGone } from '../faults/line-session.ts';
import type { Entrance } from './client-sessions.ts';
import { makeImapFlow } from './library-sessions.ts';
import { idleMsMax, type Surroundings } from './load-clients.ts';
import type { Known } from './mail-ledger.ts';
import { MailboxCopy } from './mailbox-copy.ts';

/** What an application has on its disk: more than one session sees it. */
interface Kept {
  readonly copy: MailboxCopy;
  /** Appended by it and still in INBOX, as far as is known. */
  readonly mine: Known[];
  uidValidity: bigint | undefined;
  /** The copy has everything up to this. */
  modSeq: bigint | undefined;
}

export function newlyInstalled(): Kept {
  return { copy: new MailboxCopy(), mine: [], uidValidity: undefined, modSeq: undefined };
}

interface ApplicationParts {
  readonly load: Surroundings;
  readonly node: Entrance;
  readonly user: string;
  readonly kept: Kept;
}

interface ImapFailure {
  readonly authenticationFailed?: boolean;
  readonly serverResponseCode?: string;
  readonly responseStatus?: string;
  readonly responseText?: string;
}

export class InboxApplication {
  readonly #parts: ApplicationParts;
  readonly #client: ImapFlow;
  /** It was told of messages that its copy does not have. */
  #isBehind = false;
  /** Its copy has every message up to this. */
  #fetchedTo = 0;
  /** What imapflow says instead of rejecting. */
  #warning: ImapFailure | undefined;
  /** It was told what cannot be. */
  #wrong: Error | undefined;

  private constructor(parts: ApplicationParts) {
    this.#parts = parts;
    const { node, user, kept } = parts;
    const ignore = (): void => {};
    this.#client = makeImapFlow(node, user, {
      qresync: true,
      logger: {
        trace: ignore,
        debug: (line) => this.#hear(line),
        info: ignore,
        warn: ({ err }) => this.#warn(err),
        error: ({ err }) => this.#warn(err),
      },
      expungeHandler: ({ uid }) => this.#take(() => kept.copy.vanish(uid)),
    });
    this.#client.on('flags', (event) => this.#take(() => kept.copy.take(event)));
  }

  /** imapflow's `exists` events are not all: its count does not go down when it hears of UIDs that vanished. */
  #hear({ src, msg }: { src?: string; msg?: string }): void {
    if (src === 's' && msg !== undefined && /^\* \d+ EXISTS/.test(msg)) this.#isBehind = true;
  }

  #warn(failure: ImapFailure | undefined): void {
    this.#warning = failure;
  }

  /** imapflow logs what a listener throws, and goes on. */
  #take(take: () => void): void {
    try {
      take();
    } catch (error) {
      this.#wrong ??= error as Error;
    }
  }

  static async open(parts: ApplicationParts): Promise<InboxApplication> {
    const application = new InboxApplication(parts);
    try {
      await application.#client.connect();
    } catch (error) {
      application.close();
      const { authenticationFailed = false, serverResponseCode } = error as ImapFailure;
      if (authenticationFailed && serverResponseCode !== 'UNAVAILABLE') throw error;
      throw new ServerGone(`imapflow of ${parts.user}`, { cause: error });
    }
    return application;
  }

  close(): void {
    this.#client.close();
  }

  /** INBOX is selected and the copy is what it was then, or later; false: not now. */
  async synchronise(): Promise<boolean> {
    const { kept } = this.#parts;
    await this.#ask('CREATE', () => this.#client.mailboxCreate('Archive'));
    const mailbox = await this.#ask('SELECT', () => this.#client.mailboxOpen('INBOX'));
    if (mailbox === undefined) return false;
    const { uidValidity, highestModseq, uidNext } = mailbox;
    assert.equal(uidValidity, kept.uidValidity ?? uidValidity, 'UIDVALIDITY');
    assert.ok(highestModseq !== undefined && highestModseq >= (kept.modSeq ?? 0n), 'HIGHESTMODSEQ');
    const since = kept.modSeq === undefined ? {} : { changedSince: kept.modSeq };
    const isDone = await this.#ask('FETCH of what changed', async () => {
      const changed = this.#client.fetch('1:*', { uid: true, flags: true }, { uid: true, ...since });
      for await (const message of changed) kept.copy.take(message);
      return true;
    });
    if (isDone === undefined) return false;
    this.#fetchedTo = uidNext - 1;
    Object.assign(kept, { uidValidity, modSeq: highestModseq });
    return true;
  }

  /** The copy is what the mailbox is now. */
  async catchUp(): Promise<void> {
    await this.#ask('NOOP', async () => {
      await this.#client.noop();
      return true;
    });
    while (this.#isBehind) await this.#fetchNew();
  }

  async step(): Promise<void> {
    const { load, kept } = this.#parts;
    const choice = load.random.integer(8);
    const known = kept.mine[load.random.integer(Math.max(1, kept.mine.length))];
    if (choice === 0) await this.#idle();
    else if (choice === 1) await this.#read();
    else if (choice < 5 || known === undefined) await this.#append();
    else if (choice === 5) await this.#flag(known);
    else if (choice === 6) await this.#move(known);
    else await this.#expunge(known);
    while (this.#isBehind && !load.isStopping()) await this.#fetchNew();
  }

  async #idle(): Promise<void> {
    // It rejects when the session has ended, and so does what follows.
    const idling = this.#client.idle().catch(() => undefined);
    // imapflow ends it when it is asked for something.
    await systemClock.sleep(this.#parts.load.random.integer(idleMsMax));
    await this.catchUp();
    await idling;
  }

  /** A message of its copy, whoever brought it; one that is not there any more must vanish from the copy, too. */
  async #read(): Promise<void> {
    const { load, user, kept } = this.#parts;
    const { uids } = kept.copy;
    const uid = uids[load.random.integer(Math.max(1, uids.length))];
    if (uid === undefined) return;
    let text: string | undefined;
    const isDone = await this.#ask('FETCH of a body', async () => {
      for await (const message of this.#client.fetch(
        String(uid),
        { flags: true, source: true },
        { uid: true },
      )) {
        kept.copy.take(message);
        if (message.uid === uid) text = message.source?.toString('latin1') ?? text;
      }
      return true;
    });
    if (isDone === undefined) return;
    if (text !== undefined) load.ledger.saw(user, { uid, mailbox: 'INBOX', text });
    else {
      await this.catchUp();
      assert.ok(!kept.copy.has(uid), `UID ${uid} of ${user} cannot be read and has not vanished`);
    }
  }

  async #append(): Promise<void> {
    const { load, user, kept } = this.#parts;
    const { known, text } = load.ledger.make(user, load.random, { sender: 'imapflow' });
    const answer = await this.#ask('APPEND', () => this.#client.append('INBOX', text));
    if (answer === undefined) return;
    const { uid } = answer;
    assert.ok(uid !== undefined, 'APPEND without APPENDUID');
    Object.assign(known, { uid, isThere: true });
    load.ledger.told(user, 'INBOX', { uid, number: known.number });
    kept.mine.push(known);
  }

  async #flag(known: Known): Promise<void> {
    if (await this.#addFlag(known.uid, '\\Flagged')) known.isFlagged = true;
  }

  async #move(known: Known): Promise<void> {
    const { load, user, kept } = this.#parts;
    const before = known.uid!;
    load.ledger.forget(known, kept.mine);
    const move = () => this.#client.messageMove(String(before), 'Archive', { uid: true });
    const answer = await this.#ask('MOVE', move);
    if (answer === undefined) return;
    const uid = answer.uidMap?.get(before);
    assert.ok(uid !== undefined, 'MOVE without COPYUID');
    Object.assign(known, { mailbox: 'Archive', uid, isUnanswered: false });
    load.ledger.told(user, 'Archive', { uid, number: known.number });
  }

  async #expunge(known: Known): Promise<void> {
    const uid = known.uid!;
    this.#parts.load.ledger.forget(known, this.#parts.kept.mine);
    // imapflow sets the flag itself, and does not say whether that was done.
    if (!(await this.#addFlag(uid, '\\Deleted'))) return;
    const expunge = () => this.#client.messageDelete(String(uid), { uid: true });
    if ((await this.#ask('EXPUNGE', expunge)) !== undefined) known.isExpunged = true;
  }

  async #addFlag(uid: number | undefined, flag: string): Promise<boolean> {
    const add = () => this.#client.messageFlagsAdd(String(uid), [flag], { uid: true });
    return (await this.#ask('STORE', add)) !== undefined;
  }

  async #fetchNew(): Promise<void> {
    const { copy } = this.#parts.kept;
    const range = `${this.#fetchedTo + 1}:*`;
    let fetchedTo = this.#fetchedTo;
    this.#isBehind = false;
    const isDone = await this.#ask('FETCH of what came', async () => {
      // A push about a later message has no size: those between are not here yet.
      for await (const message of this.#client.fetch(range, { flags: true, size: true }, { uid: true })) {
        copy.take(message);
        if (message.size !== undefined) fetchedTo = Math.max(fetchedTo, message.uid);
      }
      return true;
    });
    if (isDone === undefined) this.#isBehind = true;
    else this.#fetchedTo = fetchedTo;
  }

  /** Undefined: the server could not, just now, which is trouble. imapflow rejects or says false, as it likes. */
  async #ask<T>(what: string, ask: () => Promise<T | false | undefined>): Promise<T | undefined> {
    const { load, node, user } = this.#parts;
    const askedAt = systemClock.monotonic();
    this.#warning = undefined;
    let answer: T | false | undefined;
    let failure: ImapFailure | undefined;
    try {
      answer = await ask();
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      failure = error as ImapFailure;
    }
    if (this.#wrong !== undefined) throw this.#wrong;
    if (answer !== false && answer !== undefined) {
      load.worked(user, askedAt);
      return answer;
    }
    failure ??= this.#warning;
    if (!this.#client.usable) throw new ServerGone(`imapflow: ${what}`, { cause: failure });
    assert.notEqual(failure?.responseStatus, 'BAD', `imapflow: ${what} → ${failure?.responseText}`);
    const told = `imapflow: ${what} → ${failure?.responseStatus} ${failure?.responseText}`;
    load.troubled({ node: node.name, client: user, what: told, at: systemClock.monotonic() });
    return undefined;
  }
}
