import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type {
  AccountPort,
  MailboxChanges,
  MailboxInfo,
  MessageColumns,
  OpenedMailbox,
} from '../../account/port.ts';
import type { ModSeq, Uid } from '../../mail/ids.ts';
import { allRights } from '../../mail/rights.ts';
import { MailboxView } from './view.ts';

/** A view only keeps it for others. */
const noAccount = {} as AccountPort;

/** A mailbox as the account would keep it: what is there, and what happened when. */
class ModelMailbox {
  readonly #messages = new Map<number, number>();
  readonly #vanished: { uid: number; modSeq: number }[] = [];
  modSeq = 1;
  uidNext = 1;

  append(): void {
    this.#messages.set(this.uidNext++, ++this.modSeq);
  }

  touch(index: number): number | undefined {
    const uid = [...this.#messages.keys()][index % Math.max(1, this.#messages.size)];
    if (uid !== undefined) this.#messages.set(uid, ++this.modSeq);
    return uid;
  }

  expunge(index: number): void {
    const uid = [...this.#messages.keys()][index % Math.max(1, this.#messages.size)];
    if (uid === undefined) return;
    this.#messages.delete(uid);
    this.#vanished.push({ uid, modSeq: ++this.modSeq });
  }

  get uids(): number[] {
    return [...this.#messages.keys()];
  }

  open(): OpenedMailbox {
    const info = {
      id: 1,
      uidValidity: 7,
      uidNext: this.uidNext,
      highestModSeq: this.modSeq,
      keywords: [],
      rights: allRights,
    } as unknown as MailboxInfo;
    return {
      info,
      uids: Uint32Array.from(this.uids),
      recentFrom: this.uidNext as Uid,
      firstUnseen: undefined,
    };
  }

  changesSince(since: number, incomplete = false): MailboxChanges {
    const changed = [...this.#messages].filter(([, modSeq]) => modSeq > since);
    const vanished = incomplete ? [] : this.#vanished.filter(({ modSeq }) => modSeq > since);
    return {
      exists: true,
      uidValidity: 7,
      modSeq: this.modSeq as ModSeq,
      uidNext: this.uidNext as Uid,
      keywords: [],
      changed: {
        uids: Uint32Array.from(changed.map(([uid]) => uid)),
        modSeqs: Float64Array.from(changed.map(([, modSeq]) => modSeq)),
      } as MessageColumns,
      vanished: Uint32Array.from(vanished.map(({ uid }) => uid)).sort(),
      incomplete,
      rights: allRights,
    };
  }
}

type Step = {
  readonly action: 'append' | 'touch' | 'expunge' | 'advance' | 'advanceHolding' | 'lost';
  readonly index: number;
};

const step: fc.Arbitrary<Step> = fc.record({
  action: fc.constantFrom('append', 'append', 'touch', 'expunge', 'advance', 'advanceHolding', 'lost'),
  index: fc.nat(20),
});

test('a client that applies what it is told has the mailbox, whatever happens in between', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const mailbox = new ModelMailbox();
      for (let count = 0; count < 3; count++) mailbox.append();
      const view = new MailboxView(mailbox.open(), { account: noAccount, prefix: '', examines: false });
      /** The client's list: a UID for each number. It learns UIDs by asking, which is looking into the view. */
      let client = [...view.uids];
      const advance = (mayExpunge: boolean, incomplete: boolean): void => {
        const changes = mailbox.changesSince(view.modSeq, incomplete);
        const update = view.advance(
          changes,
          mayExpunge,
          incomplete ? Uint32Array.from(mailbox.uids) : undefined,
        );
        assert.ok(mayExpunge || update.expunged.length === 0);
        for (const sequence of update.expunged) {
          assert.ok(sequence >= 1 && sequence <= client.length);
          client = client.filter((_, index) => index !== sequence - 1);
        }
        if (update.exists !== undefined) {
          assert.ok(update.exists > client.length);
          client = [...client, ...view.uids.slice(client.length)];
        }
        assert.deepEqual(client, [...view.uids]);
        for (const at of update.changed) assert.ok(client.includes(changes.changed.uids[at]!));
      };
      for (const { action, index } of steps) {
        if (action === 'append') mailbox.append();
        else if (action === 'touch') mailbox.touch(index);
        else if (action === 'expunge') mailbox.expunge(index);
        else advance(action === 'advance', action === 'lost');
      }
      advance(true, false);
      assert.deepEqual(client, mailbox.uids);
      assert.equal(view.owesExpunge, false);
      for (const [index, uid] of client.entries()) assert.equal(view.sequenceOf(uid), index + 1);
    }),
    { numRuns: 300 },
  );
});

test('what was answered is not told again, later changes are', () => {
  const mailbox = new ModelMailbox();
  mailbox.append();
  mailbox.append();
  const view = new MailboxView(mailbox.open(), { account: noAccount, prefix: '', examines: false });
  view.answered(Uint32Array.of(mailbox.touch(0)!), Float64Array.of(mailbox.modSeq));
  mailbox.touch(1);
  assert.deepEqual(view.advance(mailbox.changesSince(view.modSeq), true).changed, [1]);
  view.answered(Uint32Array.of(mailbox.touch(0)!), Float64Array.of(mailbox.modSeq));
  mailbox.touch(0);
  assert.deepEqual(view.advance(mailbox.changesSince(view.modSeq), true).changed, [0]);
});

test('what happened up to where the client knows all is not asked for again', () => {
  const mailbox = new ModelMailbox();
  mailbox.append();
  const view = new MailboxView(mailbox.open(), { account: noAccount, prefix: '', examines: false });
  mailbox.touch(0);
  const known = mailbox.modSeq as ModSeq;
  view.knowsUpTo(known);
  assert.deepEqual(view.advance(mailbox.changesSince(view.modSeq), true).changed, []);
  mailbox.touch(0);
  view.knowsUpTo((known - 1) as ModSeq);
  assert.equal(view.modSeq, known);
  assert.deepEqual(view.advance(mailbox.changesSince(view.modSeq), true).changed, [0]);
});

test('of many answers in any order each counts, and the newest of a message', () => {
  const answers = fc.array(fc.uniqueArray(fc.nat(19), { maxLength: 12 }), { maxLength: 8 });
  fc.assert(
    fc.property(answers, fc.uniqueArray(fc.nat(19)), (pieces, others) => {
      const mailbox = new ModelMailbox();
      for (let count = 0; count < 20; count++) mailbox.append();
      const view = new MailboxView(mailbox.open(), { account: noAccount, prefix: '', examines: false });
      const news = new Set<number>();
      const touch = (piece: readonly number[], isAnswered: boolean): void => {
        const uids = [...piece].sort((a, b) => a - b).map((index) => mailbox.touch(index)!);
        const first = mailbox.modSeq - uids.length;
        const modSeqs = Float64Array.from(uids, (_, at) => first + at + 1);
        if (isAnswered) view.answered(Uint32Array.from(uids), modSeqs);
        for (const uid of uids) if (isAnswered) news.delete(uid);
        for (const uid of uids) if (!isAnswered) news.add(uid);
      };
      for (const [at, piece] of pieces.entries()) {
        touch(piece, true);
        if (at === 3) touch(others, false);
      }
      const changes = mailbox.changesSince(view.modSeq);
      const told = view.advance(changes, true).changed.map((at) => changes.changed.uids[at]!);
      assert.deepEqual(
        told,
        [...news].sort((a, b) => a - b),
      );
    }),
  );
});

test('the saved search result loses what is expunged', () => {
  const mailbox = new ModelMailbox();
  for (let count = 0; count < 3; count++) mailbox.append();
  const view = new MailboxView(mailbox.open(), { account: noAccount, prefix: '', examines: false });
  view.saved = Uint32Array.of(1, 2);
  mailbox.expunge(0);
  view.advance(mailbox.changesSince(view.modSeq), true);
  assert.deepEqual([...view.saved], [2]);
});

test('of ever so many ranges of \\Recent the last are remembered', () => {
  const mailbox = new ModelMailbox();
  const view = new MailboxView(mailbox.open(), { account: noAccount, prefix: '', examines: false });
  for (let count = 1; count <= 200; count++) {
    mailbox.append();
    const recentFrom = (count % 2 === 0 ? count : mailbox.uidNext) as Uid;
    view.advance({ ...mailbox.changesSince(view.modSeq), recentFrom }, true);
  }
  assert.equal(view.recent, 64);
  assert.deepEqual(
    [72, 74, 199, 200, 201].map((uid) => view.isRecent(uid)),
    [false, true, false, true, false],
  );
  assert.deepEqual(view.recentRanges().slice(-4), [198, 198, 200, 200]);
  // One after another they are one.
  for (const recentFrom of [201, 202] as Uid[]) {
    mailbox.append();
    view.advance({ ...mailbox.changesSince(view.modSeq), recentFrom }, true);
  }
  assert.deepEqual(view.recentRanges().slice(-4), [198, 198, 200, 202]);
  assert.equal(view.recent, 66);
});
