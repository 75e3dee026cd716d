// The clients of the load. Each works until it is told to stop, on one session after another: when its node ends the
// session it goes to another node, as clients behind a balancer do. What failed is told to the load, which knows what
// may fail.

import assert from 'node:assert/strict';
import { systemClock } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import { type LineSession, ServerGone } from '../faults/line-session.ts';
import { addressOf } from '../server-process.ts';
import { type Entrance, openImap, openLmtp, openSmtp, parseSeen, type Seen } from './client-sessions.ts';
import type { Known, MailLedger } from './mail-ledger.ts';

export interface Trouble {
  readonly node: string;
  readonly client: string;
  readonly what: string;
  /** Milliseconds, monotonic. */
  readonly at: number;
}

export interface Surroundings {
  readonly ledger: MailLedger;
  readonly random: Random;
  readonly isStopping: () => boolean;
  /** One that takes clients; undefined: none does at the moment. */
  readonly chooseNode: () => Entrance | undefined;
  /** Something of a user's account worked that was asked at this moment. */
  readonly worked: (user: string, askedAt: number) => void;
  readonly troubled: (trouble: Trouble) => void;
}

/** So that the load leaves processor time to what it loads. */
export const pauseMsMax = 120;
const reconnectMs = 50;
export const idleMsMax = 700;

/** Works on sessions until the load stops; `work` returns then, and rejects with ServerGone when its session ended. */
export async function onSessions(
  load: Surroundings,
  client: string,
  work: (node: Entrance) => Promise<void>,
): Promise<void> {
  while (!load.isStopping()) {
    const node = load.chooseNode();
    try {
      if (node === undefined) await systemClock.sleep(reconnectMs);
      else await work(node);
    } catch (error) {
      if (!(error instanceof ServerGone)) throw new Error(`${client} on ${node?.name}`, { cause: error });
      load.troubled({ node: node!.name, client, what: 'disconnected', at: systemClock.monotonic() });
      await systemClock.sleep(reconnectMs);
    }
  }
}

/** Delivers to all users in turn, by LMTP or as the Internet does. */
export function deliverAlways(
  load: Surroundings,
  users: readonly string[],
  listener: 'lmtp' | 'mx',
): Promise<void> {
  const { ledger, random } = load;
  return onSessions(load, listener, async (node) => {
    const session = listener === 'lmtp' ? await openLmtp(node) : await openSmtp(node);
    const trouble = (what: string): void =>
      load.troubled({ node: node.name, client: listener, what, at: systemClock.monotonic() });
    try {
      const reply = async (text: string): Promise<string> => {
        const answer = await session.reply(text);
        if (answer.startsWith('421')) throw new ServerGone(answer);
        return answer;
      };
      while (!load.isStopping()) {
        const user = users[random.integer(users.length)]!;
        const askedAt = systemClock.monotonic();
        assert.match(await reply('MAIL FROM:<a@example.org>'), /^250/);
        const recipient = await reply(`RCPT TO:<${addressOf(user)}>`);
        if (recipient.startsWith('250')) {
          assert.match(await reply('DATA'), /^354/);
          const { known, text } = ledger.make(user, random);
          const answer = await reply(`${text}.`);
          if (answer.startsWith('250')) {
            known.isThere = true;
            load.worked(user, askedAt);
          } else trouble(answer);
        } else {
          trouble(recipient);
          await reply('RSET');
        }
        await systemClock.sleep(random.integer(pauseMsMax));
      }
    } finally {
      session.end();
    }
  });
}

/** Appends, flags, moves and expunges in one account. It is the only one who changes what it appended. */
export function changeAlways(load: Surroundings, user: string): Promise<void> {
  const mine: Known[] = [];
  return onSessions(load, `changes of ${user}`, async (node) => {
    const session = await openImap(node, user);
    const changer = new Changer({ load, node, session, user, mine });
    try {
      await changer.command('CREATE Archive', true);
      for (;;) {
        if ((await changer.command('SELECT INBOX')) !== undefined) break;
        if (load.isStopping()) return;
      }
      while (!load.isStopping()) {
        await changer.step();
        await systemClock.sleep(load.random.integer(pauseMsMax));
      }
    } finally {
      session.end();
    }
  });
}

interface SessionParts {
  readonly load: Surroundings;
  readonly node: Entrance;
  readonly session: LineSession;
  readonly user: string;
}

interface ChangerParts extends SessionParts {
  /** Appended here and still in INBOX, as far as is known. */
  readonly mine: Known[];
}

class Changer {
  readonly #parts: ChangerParts;
  #tag = 0;

  constructor(parts: ChangerParts) {
    this.#parts = parts;
  }

  /** The tagged line of an OK; undefined for another answer, which is trouble unless it may be. */
  async command(text: string, mayFail = false): Promise<string | undefined> {
    const { load, node, session, user } = this.#parts;
    const tag = `c${++this.#tag}`;
    const askedAt = systemClock.monotonic();
    session.write(`${tag} ${text}\r\n`);
    return this.#answer(tag, { askedAt, mayFail, what: text, load, node, session, user });
  }

  async step(): Promise<void> {
    const { load, mine } = this.#parts;
    const choice = load.random.integer(6);
    const known = mine[load.random.integer(Math.max(1, mine.length))];
    if (choice < 3 || known === undefined) await this.#append();
    else if (choice === 3) await this.#flag(known);
    else if (choice === 4) await this.#move(known);
    else await this.#expunge(known);
  }

  async #answer(
    tag: string,
    asked: SessionParts & { readonly askedAt: number; readonly mayFail: boolean; readonly what: string },
  ): Promise<string | undefined> {
    const lines = await asked.session.until(`${tag} `);
    const last = lines.at(-1)!;
    if (last.startsWith(`${tag} OK`)) {
      asked.load.worked(asked.user, asked.askedAt);
      return lines.join('\n');
    }
    assert.doesNotMatch(last, /^c\d+ BAD/, asked.what);
    if (!asked.mayFail) {
      const what = `${asked.what} → ${last}`;
      asked.load.troubled({ node: asked.node.name, client: asked.user, what, at: systemClock.monotonic() });
    }
    return undefined;
  }

  async #append(): Promise<void> {
    const { load, session, user, mine, node } = this.#parts;
    const { known, text } = load.ledger.make(user, load.random);
    const tag = `c${++this.#tag}`;
    const askedAt = systemClock.monotonic();
    session.write(`${tag} APPEND INBOX {${text.length}}\r\n`);
    const line = (await session.until('+', `${tag} `)).at(-1)!;
    if (line.startsWith('+')) session.write(`${text}\r\n`);
    const asked = { askedAt, mayFail: false, what: 'APPEND', load, node, session, user };
    const answer = line.startsWith('+') ? await this.#answer(tag, asked) : undefined;
    if (answer === undefined) return;
    known.uid = Number(/APPENDUID \d+ (\d+)/.exec(answer)?.[1]);
    assert.ok(known.uid > 0, answer);
    known.isThere = true;
    load.ledger.told(user, 'INBOX', { uid: known.uid, number: known.number });
    mine.push(known);
  }

  async #flag(known: Known): Promise<void> {
    if ((await this.command(`UID STORE ${known.uid} +FLAGS (\\Flagged)`)) !== undefined)
      known.isFlagged = true;
  }

  async #move(known: Known): Promise<void> {
    const { load, user, mine } = this.#parts;
    const before = known.uid;
    load.ledger.forget(known, mine);
    const answer = await this.command(`UID MOVE ${before} Archive`);
    if (answer === undefined) return;
    const uid = Number(/COPYUID \d+ \d+ (\d+)/.exec(answer)?.[1]);
    assert.ok(uid > 0, answer);
    Object.assign(known, { mailbox: 'Archive', uid, isUnanswered: false });
    load.ledger.told(user, 'Archive', { uid, number: known.number });
  }

  async #expunge(known: Known): Promise<void> {
    const { uid } = known;
    this.#parts.load.ledger.forget(known, this.#parts.mine);
    if ((await this.command(`UID STORE ${uid} +FLAGS.SILENT (\\Deleted)`)) === undefined) return;
    const answer = await this.command(`UID EXPUNGE ${uid}`);
    if (answer !== undefined) known.isExpunged = true;
  }
}

/** What a watcher ends with. */
export interface Watched {
  readonly user: string;
  readonly node: Entrance;
  readonly view: readonly (Seen | undefined)[];
}

/** Keeps a view of one INBOX by what the server pushes, and never looks at the whole again while its session lasts. */
export async function watchAlways(
  load: Surroundings,
  user: string,
  settled: () => Promise<void>,
): Promise<Watched> {
  let watched: Watched | undefined;
  await onSessions(load, `watch of ${user}`, async (node) => {
    const session = await openImap(node, user);
    try {
      const watcher = new Watcher(load, session, user);
      if (!(await watcher.select())) {
        load.troubled({
          node: node.name,
          client: `watch of ${user}`,
          what: 'SELECT',
          at: systemClock.monotonic(),
        });
        return;
      }
      while (!load.isStopping()) await watcher.idle();
      await settled();
      await watcher.command('NOOP');
      await watcher.fetchNew();
      watched = { user, node, view: watcher.view };
    } finally {
      session.end();
    }
  });
  // Its session ended when the load did: a new one has nothing to prove.
  return watched ?? { user, node: load.chooseNode()!, view: [] };
}

class Watcher {
  readonly #load: Surroundings;
  readonly #session: LineSession;
  readonly #user: string;
  view: (Seen | undefined)[] = [];
  #tag = 0;

  constructor(load: Surroundings, session: LineSession, user: string) {
    this.#load = load;
    this.#session = session;
    this.#user = user;
  }

  async select(): Promise<boolean> {
    if (!(await this.command('SELECT INBOX'))) return false;
    await this.fetchNew();
    return true;
  }

  async idle(): Promise<void> {
    const tag = `w${++this.#tag}`;
    this.#session.write(`${tag} IDLE\r\n`);
    for (const line of await this.#session.until('+', `${tag} `)) this.#take(line);
    const timer = systemClock.after(this.#load.random.integer(idleMsMax), () =>
      this.#session.write('DONE\r\n'),
    );
    try {
      await this.#until(tag);
    } finally {
      timer.cancel();
    }
    await this.fetchNew();
  }

  /** Messages it was told of and has not seen. */
  async fetchNew(): Promise<void> {
    for (let first = this.view.indexOf(undefined); first >= 0; first = this.view.indexOf(undefined)) {
      const isDone = await this.command(`FETCH ${first + 1}:* (UID FLAGS)`);
      if (!isDone && this.#load.isStopping()) return;
    }
    for (let place = 1; place < this.view.length; place++)
      assert.ok(this.view[place]!.uid > this.view[place - 1]!.uid, `UIDs do not rise for ${this.#user}`);
  }

  /** False: the server could not, just now. */
  async command(text: string): Promise<boolean> {
    const tag = `w${++this.#tag}`;
    const askedAt = systemClock.monotonic();
    this.#session.write(`${tag} ${text}\r\n`);
    const last = await this.#until(tag);
    assert.doesNotMatch(last, /^w\d+ BAD/, text);
    if (!last.startsWith(`${tag} OK`)) return false;
    this.#load.worked(this.#user, askedAt);
    return true;
  }

  async #until(tag: string): Promise<string> {
    for (;;) {
      const line = await this.#session.line();
      if (line.startsWith(`${tag} `)) return line;
      this.#take(line);
    }
  }

  #take(line: string): void {
    const match = /^\* (\d+) (EXISTS|EXPUNGE|FETCH)(?: \((.*)\))?$/.exec(line);
    if (match === null) return;
    const number = Number(match[1]);
    const size = this.view.length;
    switch (match[2]) {
      case 'EXISTS':
        assert.ok(number >= size, `${line}: there were ${size}`);
        while (this.view.length < number) this.view.push(undefined);
        return;
      case 'EXPUNGE':
        assert.ok(number <= size, `${line}: there are ${size}`);
        this.view.splice(number - 1, 1);
        return;
      default:
        this.#takeFetch(number, match[3]!, line);
    }
  }

  #takeFetch(number: number, items: string, line: string): void {
    assert.ok(number <= this.view.length, `${line}: there are ${this.view.length}`);
    const before = this.view[number - 1];
    const seen = parseSeen(items);
    if (Number.isNaN(seen.uid)) {
      if (before !== undefined) this.view[number - 1] = { ...before, flags: seen.flags };
      return;
    }
    assert.equal(seen.uid, before?.uid ?? seen.uid, `${line}: that was UID ${before?.uid}`);
    this.view[number - 1] = seen;
  }
}
