// Sessions on several nodes change an account at random while it is handed over and links are cut: nothing is applied
// twice, nothing is lost, and every watch hears of the last change.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountPort } from '../account/port.ts';
import { messageText, newMessage, newOperation } from '../account/testing.ts';
import { systemClock } from '../base/clock.ts';
import { seededRandom } from '../base/random.ts';
import { flagNames } from '../mail/flags.ts';
import type { MailboxId } from '../mail/ids.ts';
import { listen, openNodes, portAt, testShard } from './testing-account-nodes.ts';

/** A session that keeps its own mailbox in mind and checks that it is so. */
class ModelSession {
  readonly port: AccountPort;
  readonly name: string;
  readonly #messages = new Map<number, Set<string>>();
  #id!: MailboxId;
  #next = 1;

  constructor(port: AccountPort, name: string) {
    this.port = port;
    this.name = name;
  }

  async begin(): Promise<void> {
    this.#id = (await this.port.createMailbox({ operation: newOperation(), name: this.name })).id;
  }

  /** One change, chosen by two numbers. */
  async step(kind: number, pick: number): Promise<void> {
    const operation = newOperation();
    const known = [...this.#messages.keys()];
    const uid = known[pick % Math.max(1, known.length)] ?? 1;
    const held = this.#messages.get(uid);
    if (kind < 5 || held === undefined) {
      const text = messageText({
        subject: `${this.name} ${this.#next}`,
        body: 'x'.repeat(kind === 0 ? 200_000 : 10),
      });
      const { uids } = await this.port.append({
        operation,
        target: { id: this.#id },
        messages: [newMessage(text)],
      });
      assert.deepEqual([...uids], [this.#next]);
      this.#messages.set(this.#next++, new Set());
    } else if (kind < 8) {
      const flag = ['\\Seen', '\\Flagged', 'work'][pick % 3]!;
      const mode = pick % 2 === 0 ? 'add' : 'remove';
      const options = {
        operation,
        mailboxId: this.#id,
        uids: Uint32Array.of(uid),
        mode,
        flags: [flag],
      } as const;
      await this.port.storeFlags({ ...options, unchangedSince: undefined });
      if (mode === 'add') held.add(flag);
      else held.delete(flag);
    } else if (kind < 9) {
      const uids = Uint32Array.of(uid);
      const { targetUids } = await this.port.copy({
        operation,
        from: this.#id,
        uids,
        to: { id: this.#id },
        move: false,
      });
      assert.deepEqual([...targetUids], [this.#next]);
      this.#messages.set(this.#next++, new Set(held));
    } else {
      const uids = Uint32Array.of(uid);
      const gone = await this.port.expunge({ operation, mailboxId: this.#id, uids, anyFlags: true });
      assert.deepEqual([...gone.uids], [uid]);
      this.#messages.delete(uid);
    }
  }

  async check(): Promise<void> {
    const { keywords, uidNext } = (await this.port.findMailbox({ id: this.#id }))!;
    assert.equal(uidNext, this.#next);
    const { uids, flagsLow, flagsHigh } = await this.port.columns(this.#id, undefined);
    const found = [...uids].map((uid, at) => [
      uid,
      flagNames(flagsLow[at]!, flagsHigh[at]!, keywords).sort(),
    ]);
    assert.deepEqual(
      found,
      [...this.#messages].map(([uid, flags]) => [uid, [...flags].sort()]),
    );
  }
}

for (const seed of [1, 2, 3]) {
  test(`random changes during hand-overs and cut links give what a model gives (seed ${seed})`, async () => {
    await using nodes = await openNodes({
      limits: { streamWindowBytes: 32 * 1024, linkWindowBytes: 64 * 1024 },
    });
    const random = seededRandom(seed);
    const sessions = await Promise.all(
      ['a', 'b', 'f', 'f'].map(
        async (name, index) => new ModelSession(await portAt(nodes, name), `s${index}`),
      ),
    );
    for (const session of sessions) await session.begin();
    const watches = sessions.map(({ port }) => listen(port));
    let isDone = false;
    const trouble = async (): Promise<void> => {
      while (!isDone) {
        await systemClock.sleep(1 + random.integer(8));
        const { relay } = nodes.node(random.integer(2) === 0 ? 'a' : 'b');
        const to = random.integer(2) === 0 ? 'a' : 'b';
        const kind = random.integer(5);
        if (kind === 0) await nodes.move(testShard, to);
        else if (kind === 1) await nodes.take(testShard, to);
        else if (kind === 2) relay.cutAfter(random.integer(300_000));
        else {
          // Requests arrive, answers get lost.
          relay.stopAnswers();
          await systemClock.sleep(random.integer(4));
          relay.cut();
          relay.thaw();
        }
      }
    };
    const work = async (
      session: ModelSession,
      steps: readonly (readonly [number, number])[],
    ): Promise<void> => {
      for (const [kind, pick] of steps) await session.step(kind, pick);
    };
    const plans = sessions.map(() =>
      Array.from({ length: 60 }, () => [random.integer(10), random.integer(1000)] as const),
    );
    const troubled = trouble();
    const worked = await Promise.allSettled(sessions.map((session, index) => work(session, plans[index]!)));
    isDone = true;
    await troubled;
    for (const outcome of worked) if (outcome.status === 'rejected') throw outcome.reason;
    for (const session of sessions) await session.check();
    const { modSeq } = await sessions[0]!.port.listMailboxes();
    for (const { events, until, stop } of watches) {
      await until((event) => event.type !== 'closed' && event.modSeq >= modSeq);
      assert.ok(events.every(({ type }) => type !== 'closed'));
      stop();
    }
  });
}
