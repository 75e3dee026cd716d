// Sorting in steps, for lists of which the engine's own sorting would hold the event loop: blocks are sorted by it, then
// merged. Stable. Pure; a step is well under a millisecond's work.

/** Not worth a step: a caller with many short lists makes its own. */
const shortItems = 32;
/** Sorted at once. */
const blockItems = 1024;
/** Merged in a step. */
const mergedInStep = 2048;

export function* sortSteps<Item>(
  items: readonly Item[],
  compare: (a: Item, b: Item) => number,
): Generator<void, Item[]> {
  if (items.length <= shortItems) return items.toSorted(compare);
  let runs: Item[][] = [];
  for (let start = 0; start < items.length; start += blockItems) {
    runs.push(items.slice(start, start + blockItems).sort(compare));
    yield;
  }
  while (runs.length > 1) {
    const next: Item[][] = [];
    for (let at = 0; at < runs.length; at += 2) {
      const right = runs[at + 1];
      next.push(right === undefined ? runs[at]! : yield* mergeSteps(runs[at]!, right, compare));
    }
    runs = next;
  }
  return runs[0] ?? [];
}

function* mergeSteps<Item>(
  left: readonly Item[],
  right: readonly Item[],
  compare: (a: Item, b: Item) => number,
): Generator<void, Item[]> {
  const all: Item[] = [];
  let l = 0;
  let r = 0;
  while (l < left.length && r < right.length) {
    all.push(compare(left[l]!, right[r]!) <= 0 ? left[l++]! : right[r++]!);
    if (all.length % mergedInStep === 0) yield;
  }
  while (l < left.length) all.push(left[l++]!);
  while (r < right.length) all.push(right[r++]!);
  yield;
  return all;
}
