// A node's frontend: takes mail in and brings it to whoever hosts the account, again and again until somebody says that
// it is durable; and keeps sessions, each with a view of a mailbox that follows by "changes since".
// When its process ends, what it had not yet acknowledged is nobody's loss, and its sessions are gone.

import type { ShardId } from '../../src/mail/ids.ts';
import type { MutationAnswer } from './account-host.ts';
import type { Changes, Mutation } from './simulated-mail.ts';
import type { SimulatedNode } from './simulated-node.ts';
import type { World } from './world.ts';

/** Without an answer for so long, the frontend asks again, wherever the account is by then. */
const answerTimeoutMs = 1_500;
const retryMs = 150;
const sessionPollMs = 700;

interface Session {
  readonly account: number;
  modSeq: number;
  /** UID → the mod-sequence it was last shown with. */
  readonly view: Map<number, number>;
}

export class Frontend {
  readonly #world: World;
  readonly #node: SimulatedNode;
  sessions: Session[] = [];
  unacknowledged = 0;

  constructor(world: World, node: SimulatedNode) {
    this.#world = world;
    this.#node = node;
  }

  start(): void {
    const { random, options, accounts } = this.#world;
    for (let count = 0; count < options.sessionsPerNode; count++) {
      const session = {
        account: random.integer(Math.min(options.hotAccounts, accounts)),
        modSeq: 0,
        view: new Map(),
      };
      this.sessions.push(session);
      this.#node.after(random.integer(sessionPollMs), () => this.#poll(session));
    }
  }

  stop(): void {
    this.sessions = [];
    this.unacknowledged = 0;
  }

  /** A client's request: a delivery, a flag, an expunge. */
  mutate(account: number, mutation: Mutation): void {
    this.unacknowledged++;
    this.#attempt(account, mutation);
  }

  #attempt(account: number, mutation: Mutation): void {
    const { checker } = this.#world;
    let isOver = false;
    const again = (): void => {
      if (isOver) return;
      isOver = true;
      this.#node.after(retryMs, () => this.#attempt(account, mutation));
    };
    this.#node.after(answerTimeoutMs, again);
    const owner = this.#ownerOf(account);
    if (owner === undefined) {
      again();
      return;
    }
    this.#call<MutationAnswer>(
      owner,
      (reply) => {
        const hosting = owner.hosting(this.#world.shardOf(account));
        if (hosting === undefined) reply('elsewhere');
        else hosting.mutate(account, mutation, reply);
      },
      (answer) => {
        if (isOver) return;
        if (typeof answer === 'string') return again();
        isOver = true;
        this.unacknowledged--;
        if (mutation.kind === 'deliver') checker.acknowledged(mutation.operation, account, answer.uid);
      },
    );
  }

  #poll(session: Session): void {
    let isOver = false;
    const next = (): void => {
      if (isOver) return;
      isOver = true;
      this.#node.after(sessionPollMs, () => this.#poll(session));
    };
    this.#node.after(answerTimeoutMs, next);
    const owner = this.#ownerOf(session.account);
    if (owner === undefined) {
      next();
      return;
    }
    const { modSeq } = session;
    this.#call<Changes | 'elsewhere'>(
      owner,
      (reply) => {
        const hosting = owner.hosting(this.#world.shardOf(session.account));
        if (hosting === undefined) reply('elsewhere');
        else hosting.changes(session.account, modSeq, reply);
      },
      (changes) => {
        if (isOver) return;
        if (changes !== 'elsewhere') show(session, changes);
        next();
      },
    );
  }

  /** There and back over the network; `handle` runs on the other node. */
  #call<Answer>(
    to: SimulatedNode,
    handle: (reply: (answer: Answer) => void) => void,
    answered: (answer: Answer) => void,
  ): void {
    const { network } = this.#world;
    const arrived = this.#node.bound(answered);
    network.send(this.#node.name, to.name, () => {
      if (!to.isRunning) return;
      to.deliver(() => handle((answer) => network.send(to.name, this.#node.name, () => arrived(answer))));
    });
  }

  #ownerOf(account: number): SimulatedNode | undefined {
    const { view } = this.#node.core!;
    const row = view.shard(this.#world.shardOf(account) as ShardId);
    if (row?.owner === undefined || !view.isUp(row.owner)) return undefined;
    return this.#world.nodeAt(view.node(row.owner.node)!.address.port);
  }
}

function show(session: Session, { modSeq, changed, vanished }: Changes): void {
  session.modSeq = Math.max(session.modSeq, modSeq);
  for (const [uid, seq] of changed) session.view.set(uid, seq);
  for (const uid of vanished) session.view.delete(uid);
}
