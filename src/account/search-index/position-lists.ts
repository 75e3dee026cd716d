// Ascending positions as bytes: each is written as its difference from the one before, most of them in one byte.
// Lengths are reckoned instead of asked for where there are many: a processor guesses every third one wrong, which took twice
// as long; and all are kept int32 (`| 0`), or as much again would be lost. Invariant: what is written is read again; the first difference is from 0, all are below 2 ** 31.

/** First bytes below this one are the difference. */
const twoBytesFrom = 192;
/** From here on a difference has three bytes. */
const threeBytesFrom = 240;
/** First byte of a difference with four more bytes. */
const fiveBytes = 255;
const twoBytesMin = twoBytesFrom;
const threeBytesMin = twoBytesMin + (threeBytesFrom - twoBytesFrom) * 256;
const fiveBytesMin = threeBytesMin + (fiveBytes - threeBytesFrom) * 65_536;

/** 1 when `difference` is not below `least`. Both are below 2 ** 31. */
const isFrom = (difference: number, least: number): number => (least - 1 - difference) >>> 31;

/** How many bytes a difference has. */
export function differenceBytes(difference: number): number {
  return (
    1 +
    isFrom(difference, twoBytesMin) +
    isFrom(difference, threeBytesMin) +
    2 * isFrom(difference, fiveBytesMin)
  );
}

/** Gives where the next one is written. */
export function writeDifference(bytes: Buffer, at: number, difference: number): number {
  if (difference < twoBytesMin) {
    bytes[at] = difference;
    return at + 1;
  }
  if (difference < threeBytesMin) {
    const rest = difference - twoBytesMin;
    bytes[at] = twoBytesFrom + (rest >>> 8);
    bytes[at + 1] = rest & 255;
    return at + 2;
  }
  if (difference < fiveBytesMin) {
    const rest = difference - threeBytesMin;
    bytes[at] = threeBytesFrom + (rest >>> 16);
    bytes[at + 1] = (rest >>> 8) & 255;
    bytes[at + 2] = rest & 255;
    return at + 3;
  }
  bytes[at] = fiveBytes;
  return bytes.writeUInt32LE(difference, at + 1);
}

/** Reads a list in pieces: whoever reads rests between them. */
export class PositionReader {
  readonly #bytes: Buffer;
  #at = 0;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Fills `into` with the next positions; how many there were, 0 at the end. */
  read(into: Int32Array): number {
    const bytes = this.#bytes;
    const end = bytes.length;
    const most = into.length;
    let at = this.#at;
    let position = this.#position;
    let count = 0;
    while (count < most && at < end) {
      const first = bytes[at++]!;
      if (first < threeBytesFrom) {
        const isLong = isFrom(first, twoBytesFrom);
        const second = at < end ? bytes[at]! : 0;
        // The first byte stands in for what two bytes begin with: 192 + 256 times what is above 192.
        position = (position + first + isLong * ((first - twoBytesFrom) * 255 + second)) | 0;
        at += isLong;
      } else if (first < fiveBytes) {
        const rest = ((first - threeBytesFrom) << 16) + (bytes[at]! << 8) + bytes[at + 1]!;
        position = (position + threeBytesMin + rest) | 0;
        at += 2;
      } else {
        position = (position + bytes.readInt32LE(at)) | 0;
        at += 4;
      }
      into[count++] = position;
    }
    this.#at = at;
    this.#position = position;
    return count;
  }
}
