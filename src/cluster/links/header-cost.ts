// What the header of a message (link-value.ts: MessagePack) takes when it is decoded, told without decoding it: a byte may be an
// object, and five may ask for an array of any length. For peers that are not trusted.
// Invariant: what passes is one value, whole, of no more parts than the limit, in the forms that our encoder writes (and maps);
// so decoding it takes no more memory than is told here, about, and no longer than parts take.
// Fails with LinkProtocolError.

import { LinkProtocolError } from './frame.ts';

/** Some 100 ms of decoding. The largest requests there are have some hundred parts for each of a thousand messages. */
const partsMax = 300_000;
/** Measured: an empty object in an array takes 200. */
const containerBytes = 160;
const partBytes = 48;

/** Bytes behind each token from 0xc0 on; undefined: see below, or not of ours. */
const fixedBytes: readonly (number | undefined)[] = (() => {
  const bytes = new Array<number | undefined>(64).fill(undefined);
  // nil, false, true; floats; unsigned and signed numbers of 1, 2, 4, 8 bytes.
  const known: readonly (readonly [number, number])[] = [
    ...([0xc0, 0xc2, 0xc3] as const).map((token) => [token, 0] as const),
    [0xca, 4],
    [0xcb, 8],
    ...[1, 2, 4, 8].flatMap((size, index) => [[0xcc + index, size] as const, [0xd0 + index, size] as const]),
  ];
  for (const [token, size] of known) bytes[token - 0xc0] = size;
  for (let token = 0xe0; token <= 0xff; token++) bytes[token - 0xc0] = 0;
  return bytes;
})();
/** Of byte strings (0xc4 to 0xc6), texts (0xd9 to 0xdb), arrays (0xdc, 0xdd) and maps (0xde, 0xdf): bytes of the length. */
const lengthBytes: Readonly<Record<number, number>> = {
  196: 1,
  197: 2,
  198: 4,
  217: 1,
  218: 2,
  219: 4,
  220: 2,
  221: 4,
  222: 2,
  223: 4,
};

/** Bytes of memory. */
export function headerCost(header: Buffer): number {
  const scan = new HeaderScan(header);
  while (scan.awaited > 0) scan.next();
  if (scan.at !== header.length) throw new LinkProtocolError('a header with more than one value');
  return header.length + scan.containers * containerBytes + scan.parts * partBytes;
}

class HeaderScan {
  readonly #header: Buffer;
  at = 0;
  /** Values that are still to come. */
  awaited = 1;
  parts = 0;
  containers = 0;
  /** How many keys the objects of each shape have that was named so far. */
  readonly #shapes = new Map<number, number>();

  constructor(header: Buffer) {
    this.#header = header;
  }

  /** One token, and the bytes that belong to it. */
  next(): void {
    const token = this.#byte();
    this.awaited--;
    if (++this.parts > partsMax) throw new LinkProtocolError('a header of too many parts');
    if (token < 0x40) return;
    if (token < 0x80) {
      const keys = this.#shapes.get(token);
      if (keys !== undefined) this.#contains(keys);
    } else if (token < 0x90) this.#contains(2 * (token & 0x0f));
    else if (token < 0xa0) this.#contains(token & 0x0f);
    else if (token < 0xc0) this.#skip(token & 0x1f);
    else if (token === 0xd4) this.#extension();
    else if (lengthBytes[token] !== undefined) this.#lengthy(token);
    else this.#skip(fixedBytes[token - 0xc0]);
  }

  #lengthy(token: number): void {
    const length = this.#length(token);
    if (token >= 0xde) this.#contains(2 * length);
    else if (token >= 0xdc) this.#contains(length);
    else this.#skip(length);
  }

  /** undefined, or an object of a new shape: its number, an array of keys, then the values. */
  #extension(): void {
    const type = this.#byte();
    const id = this.#byte();
    if (type === 0) return;
    if (type !== 0x72) throw new LinkProtocolError('a header of other forms');
    const token = this.#byte();
    const isArray = (token & 0xf0) === 0x90 || token === 0xdc || token === 0xdd;
    if (!isArray) throw new LinkProtocolError('a shape without keys');
    const keys = token < 0xa0 ? token & 0x0f : this.#length(token);
    this.#contains(keys);
    for (let index = 0; index < keys; index++) this.#key();
    // From here on: a value of the shape begins with this byte.
    this.#shapes.set(0x40 | (id & 0x3f), keys);
  }

  #key(): void {
    const token = this.#byte();
    this.parts++;
    if (token >= 0xa0 && token < 0xc0) this.#skip(token & 0x1f);
    else if (token >= 0xd9 && token <= 0xdb) this.#skip(this.#length(token));
    else throw new LinkProtocolError('a key that is no text');
  }

  #contains(values: number): void {
    this.containers++;
    this.awaited += values;
  }

  #length(token: number): number {
    const size = lengthBytes[token]!;
    this.#require(size);
    const length = this.#header.readUIntBE(this.at, size);
    this.at += size;
    return length;
  }

  #byte(): number {
    this.#require(1);
    return this.#header[this.at++]!;
  }

  #skip(bytes: number | undefined): void {
    if (bytes === undefined) throw new LinkProtocolError('a header of other forms');
    this.#require(bytes);
    this.at += bytes;
  }

  #require(bytes: number): void {
    if (bytes > this.#header.length - this.at) throw new LinkProtocolError('a header that is cut off');
  }
}
