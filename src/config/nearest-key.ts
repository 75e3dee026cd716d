// "Did you mean": the right key nearest to a wrong one, by edit distance.

/** Farther than this is a different word, not a slip; so is half of a short one. */
const distanceMax = 3;

function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const substitution = previous[column - 1]! + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(previous[column]! + 1, current[column - 1]! + 1, substitution));
    }
    previous = current;
  }
  return previous[right.length]!;
}

/** The candidate nearest to `key`, undefined when none is near. Underscores, dashes and case do not count. */
export function nearestKey(key: string, candidates: readonly string[]): string | undefined {
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[-_]/g, '').slice(0, 64);
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = editDistance(plain(key), plain(candidate));
    const longest = Math.max(key.length, candidate.length);
    if (distance <= Math.min(distanceMax, longest / 2) && (best === undefined || distance < best.distance))
      best = { candidate, distance };
  }
  return best?.candidate;
}
