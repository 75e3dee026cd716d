// This node's own row: joining, heartbeats, what they prove, and what others have written there.
//
// Invariant: every attempt to write the row has bytes of its own (its `beat`), so that whichever of them is found in the
// engine later proves a lease from the moment that one was sent, even when its answer was lost or came late.

import type { NodeId } from '../../mail/ids.ts';
import { ClusterChange } from './cluster-change.ts';
import { isPresent, type Member, type NodeDescription, type NodeLoad, type NodeRow } from './cluster-rows.ts';
import type { ClusterView } from './cluster-view.ts';

/**
 * What our row says of us. `absent`: not joined yet under this incarnation. `ended`: this incarnation is over. `displaced`:
 * another process of our name has joined.
 */
export type Standing = 'absent' | 'up' | 'ended' | 'displaced' | 'removed';

const idle: NodeLoad = Object.freeze({ openAccounts: 0, sessions: 0, commitsPerSecond: 0 });

export class OwnRow {
  readonly description: NodeDescription;
  readonly #newIncarnation: () => string;
  /** Whoever started this process knows that the one before it has ended. */
  readonly #predecessorGone: boolean;
  /** The incarnation that our row showed first; '' for none. One that appears later is not before us. */
  #predecessor: string | undefined;
  /** When each attempt that may yet turn up was sent. */
  readonly #sentAt = new Map<number, number>();
  #incarnation: string;
  #joined = false;
  #beat = 0;
  #confirmedAt = Number.NEGATIVE_INFINITY;
  #confirmedBeat = 0;
  load = idle;

  constructor(description: NodeDescription, options: { newIncarnation(): string; predecessorGone: boolean }) {
    this.description = description;
    this.#newIncarnation = options.newIncarnation;
    this.#predecessorGone = options.predecessorGone;
    this.#incarnation = options.newIncarnation();
  }

  get name(): NodeId {
    return this.description.node;
  }

  get member(): Member {
    return { node: this.name, incarnation: this.#incarnation };
  }

  /** When the newest heartbeat known to have arrived was sent. */
  get confirmedAt(): number {
    return this.#confirmedAt;
  }

  standing(view: ClusterView): Standing {
    const row = view.node(this.name);
    if (row?.state === 'removed') return 'removed';
    if (row?.incarnation === this.#incarnation) return isPresent(row) ? 'up' : 'ended';
    return this.#joined ? 'displaced' : 'absent';
  }

  /** Learns from the row which of our attempts arrived. */
  confirm(view: ClusterView): void {
    const row = view.node(this.name);
    if (row?.incarnation !== this.#incarnation || row.beat <= this.#confirmedBeat) return;
    this.#joined = true;
    this.#confirmedBeat = row.beat;
    this.#confirmedAt = Math.max(this.#confirmedAt, this.#sentAt.get(row.beat) ?? this.#confirmedAt);
    for (const beat of this.#sentAt.keys()) if (beat <= row.beat) this.#sentAt.delete(beat);
  }

  /** Another one from now on: under the old name, with nothing. */
  beginAnew(): void {
    this.#incarnation = this.#newIncarnation();
    this.#joined = false;
    this.#sentAt.clear();
    this.#beat = 0;
    this.#confirmedBeat = 0;
    this.#confirmedAt = Number.NEGATIVE_INFINITY;
  }

  join(view: ClusterView, now: number): ClusterChange {
    const before = view.node(this.name);
    // What the operator asked for holds over a restart; a stop of our own does not.
    const isRemoval = before?.state === 'draining' && before.leaving === 'remove';
    this.#predecessor ??= before?.incarnation ?? '';
    const hasEnded = this.#predecessorGone && before?.incarnation === this.#predecessor;
    const { successorOf, leaving, ...kept } = before ?? { leaving: undefined };
    const row: Omit<NodeRow, 'revision'> = {
      ...kept,
      ...this.description,
      incarnation: this.#incarnation,
      beat: this.#nextBeat(now),
      state: isRemoval || before?.drained === true ? 'draining' : 'active',
      load: idle,
      ...(isRemoval ? { leaving: 'remove' } : {}),
      ...(hasEnded ? { successorOf: this.#predecessor } : {}),
    };
    const change = new ClusterChange(view, new Map());
    change.putNode(row);
    return change;
  }

  /** A heartbeat; with `changes`, more than that. */
  renew(view: ClusterView, now: number, changes: Partial<NodeRow> = {}): ClusterChange {
    const change = new ClusterChange(view, new Map());
    this.putInto(change, view, now, changes);
    return change;
  }

  putInto(change: ClusterChange, view: ClusterView, now: number, changes: Partial<NodeRow>): void {
    change.putNode({ ...view.node(this.name)!, beat: this.#nextBeat(now), load: this.load, ...changes });
  }

  #nextBeat(now: number): number {
    this.#sentAt.set(++this.#beat, now);
    return this.#beat;
  }
}
