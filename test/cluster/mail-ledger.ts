// What a cluster acknowledged to its clients, and the check that all of it is true: nothing lost, nothing twice, byte for
// byte, UIDs never given twice and rising, flags as they were told, and the same through every node.
// What was sent and not answered, or answered with a temporary failure, may have happened once or not at all.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Random } from '../../src/base/random.ts';
import type { LineSession } from '../faults/line-session.ts';
import { openImap, parseSeen } from './client-sessions.ts';
import type { NodeProcess } from './node-process.ts';

export const mailboxes = ['INBOX', 'Archive'] as const;
export type MailboxName = (typeof mailboxes)[number];

/** Who sends: raw sessions of these tests, or the libraries that applications use. */
export const senders = ['raw', 'imapflow', 'nodemailer'] as const;
type Sender = (typeof senders)[number];

interface MakeOptions {
  /** Default raw. */
  readonly sender?: Sender;
  /** An address. */
  readonly from?: string;
}

/** What is known of a message after everything that was answered; `undefined` is "either way". */
export interface Known {
  readonly number: number;
  readonly user: string;
  readonly sender: Sender;
  readonly digest: string;
  /** Its delivery was acknowledged. */
  isThere: boolean;
  isExpunged: boolean;
  isFlagged: boolean;
  mailbox: MailboxName | undefined;
  uid: number | undefined;
  /** Something was asked of it that was not answered. */
  isUnanswered: boolean;
}

/** A message as a client read it; characters of one byte each. */
interface Read {
  readonly uid: number;
  readonly text: string;
  readonly mailbox: MailboxName;
}

interface Found extends Read {
  readonly flags: string;
}

const digestOf = (text: string): string => createHash('sha256').update(text, 'latin1').digest('hex');

export class MailLedger {
  readonly messages: Known[] = [];
  /** In the subjects, beside the number: what else is in the mailboxes is of no matter here. */
  readonly #name: string;
  /** `user mailbox uid` to the message's number, of all that was ever told to a client. */
  readonly #told = new Map<string, number>();
  /** `user mailbox` to the highest UIDNEXT and HIGHESTMODSEQ ever told. */
  readonly #marks = new Map<string, { uidNext: number; modSeq: number }>();

  constructor(name: string) {
    this.#name = name;
  }

  make(user: string, random: Random, options: MakeOptions = {}): { known: Known; text: string } {
    const { sender = 'raw', from = 'a@example.org' } = options;
    const number = this.messages.length;
    // Some are large enough for a blob of their own.
    const length = random.integer(8) === 0 ? 60_000 + random.integer(100_000) : 200 + random.integer(3000);
    const hex = random.bytes(Math.ceil(length / 2)).toString('hex');
    const body = `${hex.replaceAll(/(.{76})/g, '$1\r\n')}\r\n`;
    const known: Known = {
      number,
      user,
      sender,
      digest: digestOf(body),
      isThere: false,
      isExpunged: false,
      isFlagged: false,
      mailbox: 'INBOX',
      uid: undefined,
      isUnanswered: false,
    };
    this.messages.push(known);
    return { known, text: `From: ${from}\r\nSubject: ${this.#name} ${number}\r\n\r\n${body}` };
  }

  /** No client works on it again; until an answer says otherwise it may be where it was, elsewhere or gone. */
  forget(known: Known, mine: Known[]): void {
    mine.splice(mine.indexOf(known), 1);
    Object.assign(known, { isUnanswered: true, mailbox: undefined, uid: undefined });
  }

  /** A client was told that this UID is this message. */
  told(user: string, mailbox: MailboxName, seen: { readonly uid: number; readonly number: number }): void {
    const key = `${user} ${mailbox} ${seen.uid}`;
    const before = this.#told.get(key) ?? seen.number;
    assert.equal(seen.number, before, `UID ${key} is message ${before} and message ${seen.number}`);
    this.#told.set(key, seen.number);
  }

  mark(
    user: string,
    mailbox: MailboxName,
    told: { readonly uidNext: number; readonly modSeq: number },
  ): void {
    const key = `${user} ${mailbox}`;
    const before = this.#marks.get(key) ?? { uidNext: 0, modSeq: 0 };
    assert.ok(told.uidNext >= before.uidNext, `UIDNEXT of ${key}: ${told.uidNext} after ${before.uidNext}`);
    assert.ok(told.modSeq >= before.modSeq, `HIGHESTMODSEQ of ${key}: ${told.modSeq} after ${before.modSeq}`);
    this.#marks.set(key, told);
  }

  get acknowledged(): number {
    return this.messages.filter((each) => each.isThere).length;
  }

  acknowledgedOf(sender: Sender): number {
    return this.messages.filter((each) => each.isThere && each.sender === sender).length;
  }

  /** A client read this, while things are done to the cluster or at rest. Its number, when it is of this ledger. */
  saw(user: string, read: Read): number | undefined {
    const [, name, digits] = /^Subject: (\w+) (\d+)\r$/m.exec(read.text) ?? [];
    if (name !== this.#name) return undefined;
    const number = Number(digits);
    const known = this.messages[number];
    assert.ok(known?.user === user, `message ${number} of ${user} was never sent`);
    this.told(user, read.mailbox, { uid: read.uid, number });
    const body = read.text.slice(read.text.indexOf('\r\n\r\n') + 4);
    assert.equal(digestOf(body), known.digest, `message ${number} of ${known.sender} is not what was sent`);
    return number;
  }

  /** Everything at rest: what is there is what was told, through every one of these nodes. */
  async check(users: readonly string[], nodes: readonly NodeProcess[]): Promise<void> {
    for (const user of users) {
      const [found, ...others] = await Promise.all(nodes.map((node) => this.#readAll(node, user)));
      for (const other of others)
        assert.deepEqual(listOf(other), listOf(found!), `${user} through another node`);
      this.#checkUser(user, found!);
    }
  }

  #checkUser(user: string, found: readonly Found[]): void {
    const byNumber = new Map<number, Found>();
    for (const one of found) {
      const number = this.saw(user, one);
      if (number === undefined) continue;
      const twice = byNumber.get(number);
      assert.equal(twice, undefined, `message ${number} is there twice: ${told(twice)} and ${told(one)}`);
      byNumber.set(number, one);
    }
    for (const known of this.messages)
      if (known.user === user) checkMessage(known, byNumber.get(known.number));
  }

  async #readAll(node: NodeProcess, user: string): Promise<Found[]> {
    const session = await openImap(node, user);
    const found: Found[] = [];
    for (const mailbox of mailboxes) {
      session.write(`s SELECT ${mailbox} (CONDSTORE)\r\n`);
      const selected = await session.until('s ');
      assert.match(selected.at(-1)!, /^s OK/);
      const all = selected.join('\n');
      const uidNext = Number(/UIDNEXT (\d+)/.exec(all)?.[1]);
      this.mark(user, mailbox, { uidNext, modSeq: Number(/HIGHESTMODSEQ (\d+)/.exec(all)?.[1]) });
      const read = await readMailbox(session, mailbox);
      for (const [index, { uid }] of read.entries()) {
        assert.ok(uid > (read[index - 1]?.uid ?? 0), `UIDs do not rise in ${mailbox} of ${user}`);
        assert.ok(uid < uidNext, `UID ${uid} is not below UIDNEXT ${uidNext}`);
      }
      found.push(...read);
    }
    session.end();
    return found;
  }
}

function checkMessage(known: Known, found: Found | undefined): void {
  const { number } = known;
  if (!known.isThere) return; // it may be there, once
  if (known.isExpunged) {
    assert.equal(found, undefined, `message ${number} was expunged and is there again`);
    return;
  }
  if (found === undefined) {
    assert.ok(known.isUnanswered, `message ${number} of ${known.user} was acknowledged and is lost`);
    return;
  }
  if (known.isFlagged) assert.match(found.flags, /\\Flagged/, `message ${number}`);
  if (known.mailbox !== undefined) assert.equal(found.mailbox, known.mailbox, `message ${number}`);
  if (known.uid !== undefined)
    assert.equal(found.uid, known.uid, `message ${number} has another UID than was told`);
}

async function readMailbox(session: LineSession, mailbox: MailboxName): Promise<Found[]> {
  const found: Found[] = [];
  session.write('f UID FETCH 1:* (FLAGS BODY.PEEK[])\r\n');
  for (;;) {
    const line = await session.line();
    if (line.startsWith('f ')) {
      assert.match(line, /^f OK/);
      return found;
    }
    const size = Number(/\{(\d+)\}$/.exec(line)?.[1]);
    if (Number.isNaN(size)) continue;
    const text = (await session.bytes(size)).toString('latin1');
    found.push({ ...parseSeen(line + (await session.line())), text, mailbox });
  }
}

const told = (found: Found | undefined): string => `${found?.mailbox} ${found?.uid}`;
const listOf = (found: readonly Found[]): string[] =>
  found.map(({ mailbox, uid, flags }) => `${mailbox} ${uid} ${flags}`);
