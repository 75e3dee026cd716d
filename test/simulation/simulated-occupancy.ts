// Who counts the accounts of each shard for the controller, as src/cluster/shard-occupancy.ts does: only on the node that is
// the controller, soon after the directory has changed, and now and then without having heard of a change. From a change to
// the next count that arrives nothing is known.

import type { Occupancy } from '../../src/cluster/membership/assignment.ts';

const lookMs = 1_000;
const lookAgainMs = 60_000;

/** What it needs of its node. */
export interface CountingNode {
  readonly isController: boolean;
  localNow(): number;
  after(delayMs: number, run: () => void): void;
  /** Asks the engine. */
  count(counted: (occupancy: Occupancy | undefined) => void): void;
  balanceBy(occupancy: Occupancy): void;
}

export class SimulatedOccupancy {
  readonly #node: CountingNode;
  #occupancy: Occupancy = 'unknown';
  #isStale = true;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(node: CountingNode) {
    this.#node = node;
    node.balanceBy('unknown');
    node.after(0, () => this.#look());
  }

  directoryChanged(): void {
    this.#isStale = true;
    if (this.#occupancy !== 'many') this.#tell('unknown');
  }

  #look(): void {
    const node = this.#node;
    const again = (): void => node.after(lookMs, () => this.#look());
    if (!node.isController) {
      this.#tell('unknown');
      this.#readAt = Number.NEGATIVE_INFINITY;
      again();
    } else if (!this.#isDue()) again();
    else {
      this.#isStale = false;
      this.#readAt = node.localNow();
      node.count((occupancy) => {
        if (occupancy === undefined) this.#isStale = true;
        else if (!this.#isStale || occupancy === 'many') this.#tell(occupancy);
        again();
      });
    }
  }

  #isDue(): boolean {
    const ageMs = this.#node.localNow() - this.#readAt;
    return ageMs >= lookAgainMs || (this.#isStale && this.#occupancy !== 'many');
  }

  #tell(occupancy: Occupancy): void {
    this.#occupancy = occupancy;
    this.#node.balanceBy(occupancy);
  }
}
