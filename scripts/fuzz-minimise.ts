// Makes a failing input as short as it gets while it still fails in the same way: what is left is the mistake.

/** Each try runs the target once; a finding is worth a second or two. */
const triesMax = 2_000;

export async function minimise(
  input: Uint8Array,
  stillFails: (candidate: Uint8Array) => Promise<boolean>,
): Promise<Uint8Array> {
  let best = input;
  let tries = 0;
  for (let piece = Math.ceil(input.length / 2); piece >= 1; piece = piece === 1 ? 0 : Math.ceil(piece / 2)) {
    for (let at = 0; at < best.length && tries < triesMax; tries++) {
      const candidate = Buffer.concat([best.subarray(0, at), best.subarray(at + piece)]);
      // What was cut out is gone, so the same place holds new bytes; else go on behind it.
      if (await stillFails(candidate)) best = candidate;
      else at += piece;
    }
  }
  return best;
}
