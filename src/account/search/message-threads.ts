// Threads of messages (RFC 5256 section 3): ORDEREDSUBJECT, REFERENCES, and REFS, which is REFERENCES without the step of
// subjects, in the order of the latest message. Pure: numbers and texts in, one column out, in steps, so that a large mailbox
// does not hold the event loop.
// Invariant: every message given is in the answer once; whatever references say, the answer is a forest.

import type { ThreadAlgorithm } from '../../mail/message-order.ts';
import { sortSteps } from './sort-steps.ts';

/** Columns over the messages to thread, in the mailbox's order. */
export interface ThreadedMessages {
  readonly count: number;
  readonly sentSeconds: Float64Array;
  /** Equal for equal base subjects; 0: none. */
  subject(index: number): number;
  isReply(index: number): boolean;
  /** Hash of the message's identifier, 0: none. */
  messageId(index: number): number;
  /** Hashes, the oldest first. */
  references(index: number): ArrayLike<number>;
}

/** Messages, or threads, that are looked at in a step. */
const inStep = 512;

/** Pairs of depth (0: a thread begins) and message, parents before children; message -1: a place for several. */
export function* threadSteps(
  messages: ThreadedMessages,
  algorithm: ThreadAlgorithm,
): Generator<void, Int32Array> {
  if (algorithm === 'orderedSubject') return yield* bySubject(messages);
  const forest = new Forest(messages);
  yield* forest.link();
  yield* forest.prune();
  if (algorithm === 'references') yield* forest.mergeSubjects();
  return yield* forest.written(algorithm === 'refs');
}

function byDate({ sentSeconds }: ThreadedMessages): (a: number, b: number) => number {
  return (a, b) => sentSeconds[a]! - sentSeconds[b]! || a - b;
}

function* bySubject(messages: ThreadedMessages): Generator<void, Int32Array> {
  const threads = new Map<number, number[]>();
  for (let index = 0; index < messages.count; index++) {
    if (index % inStep === 0) yield;
    const subject = messages.subject(index);
    const thread = threads.get(subject);
    if (thread === undefined) threads.set(subject, [index]);
    else thread.push(index);
  }
  const compare = byDate(messages);
  const sorted: number[][] = [];
  for (const thread of threads.values()) {
    sorted.push(yield* sortSteps(thread, compare));
    if (sorted.length % inStep === 0) yield;
  }
  const written = new Int32Array(messages.count * 2);
  let at = 0;
  const byFirst = yield* sortSteps(sorted, (a, b) => compare(a[0]!, b[0]!));
  for (const [number, thread] of byFirst.entries()) {
    if (number % inStep === 0) yield;
    for (const [place, index] of thread.entries()) {
      written[at++] = place === 0 ? 0 : 1;
      written[at++] = index;
    }
  }
  return written;
}

const none = -1;
/** Steps up the tree in looking for loops, over all; real mail takes a few a message. */
const stepsPerMessage = 50;
const stepsMin = 100_000;

/** Nodes below `count` are messages, those from there on stand for messages that are not here. */
class Forest {
  readonly #messages: ThreadedMessages;
  readonly #parents: number[];
  #children: number[][] = [];
  #roots: number[] = [];

  constructor(messages: ThreadedMessages) {
    this.#messages = messages;
    this.#parents = new Array<number>(messages.count).fill(none);
  }

  /** Step 1: parents by references. */
  *link(): Generator<void, void> {
    const messages = this.#messages;
    const parents = this.#parents;
    const nodes = new Map<number, number>();
    const hasChildren: boolean[] = [];
    for (let index = 0; index < messages.count; index++) {
      const id = messages.messageId(index);
      if (index % inStep === 0) yield;
      // Of two messages with one identifier the second counts as one without.
      if (id !== 0 && !nodes.has(id)) nodes.set(id, index);
    }
    const nodeOf = (id: number): number => {
      const known = nodes.get(id);
      if (known !== undefined) return known;
      const node = parents.push(none) - 1;
      nodes.set(id, node);
      return node;
    };
    let stepsLeft = messages.count * stepsPerMessage + stepsMin;
    const isAbove = (node: number, below: number): boolean => {
      if (node === below) return true;
      // Most messages are nobody's parents: nothing to walk for them.
      if (hasChildren[node] !== true) return false;
      for (let at = parents[below]!; at !== none; at = parents[at]!) {
        // References made to cost time: what cannot be told cheaply is not linked.
        if (at === node || --stepsLeft < 0) return true;
      }
      return false;
    };
    for (let index = 0; index < messages.count; index++) {
      if (index % inStep === 0) yield;
      const references = messages.references(index);
      let before = none;
      for (let at = 0; at < references.length; at++) {
        const node = nodeOf(references[at]!);
        if (before !== none && parents[node] === none && !isAbove(node, before)) {
          parents[node] = before;
          hasChildren[before] = true;
        }
        before = node;
      }
      // What the message says of itself goes before what others said.
      if (before === none) parents[index] = none;
      else if (!isAbove(index, before)) {
        parents[index] = before;
        hasChildren[before] = true;
      }
    }
  }

  /** Steps 2 and 3: the roots; places without a message go, or stay as a root of several. */
  *prune(): Generator<void, void> {
    const { count } = this.#messages;
    const parents = this.#parents;
    /** By place: where its walk ended. */
    const ends: number[] = [];
    const nearest = (node: number): number => {
      // The nearest message above, or else the highest place.
      const walked: number[] = [];
      let at = node;
      while (at >= count && parents[at] !== none && ends[at] === undefined) {
        walked.push(at);
        at = parents[at]!;
      }
      const end = ends[at] ?? at;
      for (const place of walked) ends[place] = end;
      return end;
    };
    this.#children = [];
    this.#roots = [];
    for (let index = 0; index < count; index++) {
      if (index % inStep === 0) yield;
      const parent = parents[index]!;
      if (parent === none) this.#roots.push(index);
      else this.#adopt(nearest(parent), index);
    }
    for (let place = count; place < parents.length; place++) {
      if (place % inStep === 0) yield;
      const children = this.#children[place];
      if (children === undefined) continue;
      if (children.length > 1) this.#roots.push(place);
      else this.#roots.push(children[0]!);
    }
  }

  /** Step 5: roots of one base subject become one thread. */
  *mergeSubjects(): Generator<void, void> {
    yield* this.#sortSiblings();
    const table = new Map<number, number>();
    for (const [at, root] of this.#roots.entries()) {
      if (at % inStep === 0) yield;
      const subject = this.#subject(root);
      if (subject === 0) continue;
      const known = table.get(subject);
      if (known === undefined) table.set(subject, root);
      else if (this.#isPlace(known)) continue;
      else if (this.#isPlace(root) || (this.#isReply(known) && !this.#isReply(root)))
        table.set(subject, root);
    }
    const gone = new Set<number>();
    const added: number[] = [];
    for (const [at, root] of this.#roots.entries()) {
      if (at % inStep === 0) yield;
      const subject = this.#subject(root);
      const known = subject === 0 ? undefined : table.get(subject);
      if (known === undefined || known === root) continue;
      gone.add(root);
      if (this.#isPlace(known)) {
        for (const child of this.#isPlace(root) ? this.#children[root]! : [root]) this.#adopt(known, child);
      } else if (this.#isReply(root) && !this.#isReply(known)) this.#adopt(known, root);
      else {
        const place = this.#parents.push(none) - 1;
        this.#adopt(place, known);
        this.#adopt(place, root);
        gone.add(known);
        added.push(place);
        table.set(subject, place);
      }
    }
    this.#roots = [...this.#roots.filter((root) => !gone.has(root)), ...added];
  }

  /** Step 6, and the column. `latestOrder`: threads by their latest message instead of their first. */
  *written(latestOrder: boolean): Generator<void, Int32Array> {
    yield* this.#sortSiblings();
    if (latestOrder) yield* this.#sortByLatest();
    const written: number[] = [];
    const visit = (node: number, depth: number) =>
      written.push(depth, node < this.#messages.count ? node : -1);
    for (const [at, root] of this.#roots.entries()) {
      if (at % inStep === 0) yield;
      this.#walk(root, visit);
    }
    return Int32Array.from(written);
  }

  *#sortByLatest(): Generator<void, void> {
    const latest = new Map<number, number>();
    for (const root of this.#roots) {
      latest.set(root, this.#latest(root));
      if (latest.size % inStep === 0) yield;
    }
    const compare = (a: number, b: number): number =>
      latest.get(a)! - latest.get(b)! || this.#first(a) - this.#first(b);
    this.#roots = yield* sortSteps(this.#roots, compare);
  }

  #adopt(parent: number, child: number): void {
    const children = this.#children[parent];
    if (children === undefined) this.#children[parent] = [child];
    else children.push(child);
  }

  #isPlace(node: number): boolean {
    return node >= this.#messages.count;
  }

  /** The message that stands for a node: its own, or the first one below. */
  #first(node: number): number {
    let at = node;
    while (this.#isPlace(at)) at = this.#children[at]![0]!;
    return at;
  }

  #subject(node: number): number {
    return this.#messages.subject(this.#first(node));
  }

  #isReply(node: number): boolean {
    return this.#messages.isReply(this.#first(node));
  }

  #latest(root: number): number {
    let latest = Number.NEGATIVE_INFINITY;
    this.#walk(root, (node) => {
      if (!this.#isPlace(node)) latest = Math.max(latest, this.#messages.sentSeconds[node]!);
    });
    return latest;
  }

  *#sortSiblings(): Generator<void, void> {
    const compare = byDate(this.#messages);
    const byFirst = (a: number, b: number): number => compare(this.#first(a), this.#first(b));
    // Places stand for their first child: their children are in order before they are compared.
    for (const sorted of [false, true]) {
      for (const [node, children] of this.#children.entries()) {
        if (node % inStep === 0) yield;
        if (children !== undefined && children.length > 1 && this.#isPlace(node) !== sorted)
          this.#children[node] = yield* sortSteps(children, byFirst);
      }
    }
    this.#roots = yield* sortSteps(this.#roots, byFirst);
  }

  /** Depth first, children in order, without recursion: threads can be as deep as a mailbox is long. */
  #walk(root: number, visit: (node: number, depth: number) => void): void {
    const pending = [root, 0];
    while (pending.length > 0) {
      const depth = pending.pop()!;
      const node = pending.pop()!;
      visit(node, depth);
      const children = this.#children[node];
      for (let at = (children?.length ?? 0) - 1; at >= 0; at--) pending.push(children![at]!, depth + 1);
    }
  }
}
