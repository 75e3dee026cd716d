// How many there are of each kind, none of which may have more than so many: connections of a client, calls of a node.
// Invariants: what was begun is ended once; a kind that has none takes no memory, so this is as small as what there is.
// Nothing here fails but by a bug: `begin` says whether there was room.

import { assert } from './assert.ts';

export class BoundedCounts<Key = string> {
  readonly #counts = new Map<Key, number>();

  /** Those that have any. */
  get size(): number {
    return this.#counts.size;
  }

  /** Counts one more of this key; false: it has `max`, and nothing was counted. */
  begin(key: Key, max: number): boolean {
    const count = this.#counts.get(key) ?? 0;
    if (count >= max) return false;
    this.#counts.set(key, count + 1);
    return true;
  }

  /** One that was begun is no more. */
  end(key: Key): void {
    const count = this.#counts.get(key);
    assert(count !== undefined, 'more ended than begun');
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
  }
}
