// A few field names to be told apart in headers: the header's bytes are compared with them, no string is made of each name.

import { asBuffer } from './bytes.ts';
import { type HeaderBlock, isFieldName, offsetsPerField } from './header.ts';

const lineFeed = 10;
const carriageReturn = 13;

export class FieldNames<Name extends string> {
  readonly #byLength: (Name[] | undefined)[] = [];

  /** In lower case. An empty one is nobody's. */
  constructor(names: readonly Name[]) {
    for (const name of names) {
      if (name === '') continue;
      const known = this.#byLength[name.length];
      if (known === undefined) this.#byLength[name.length] = [name];
      else known.push(name);
    }
  }

  /** Which of the names the field has, in any letter case; undefined: none of them. */
  of(bytes: Uint8Array, { offsets }: HeaderBlock, index: number): Name | undefined {
    const start = offsets[index * offsetsPerField]!;
    const candidates = this.#byLength[offsets[index * offsetsPerField + 1]! - start];
    if (candidates === undefined) return undefined;
    for (const name of candidates) if (isFieldName(bytes, start, name)) return name;
    return undefined;
  }
}

/**
 * The bytes of the fields with one of the names (`matching` true: HEADER.FIELDS) or of all others (false: HEADER.FIELDS.NOT), as
 * they came, with a blank line, unless the message has none and no body either (RFC 9051 6.4.5).
 */
export function selectedFields(
  bytes: Uint8Array,
  block: HeaderBlock,
  {
    names,
    matching,
    hasBody,
  }: { readonly names: FieldNames<string>; readonly matching: boolean; readonly hasBody: boolean },
): Buffer {
  const buffer = asBuffer(bytes);
  const { offsets, count } = block;
  // Never more than the header, a line break for a last field without one, and the blank line.
  const selected = Buffer.allocUnsafe(block.end - block.start + 4);
  let length = 0;
  let from = -1;
  for (let index = 0; index <= count; index++) {
    const chosen = index < count && (names.of(buffer, block, index) !== undefined) === matching;
    if (chosen && from < 0) from = index;
    if (chosen || from < 0) continue;
    // Neighbours go together.
    const end = offsets[index * offsetsPerField - 1]!;
    length += buffer.copy(selected, length, offsets[from * offsetsPerField], end);
    if (selected[length - 1] !== lineFeed) length = withLineBreak(selected, length);
    from = -1;
  }
  if (hasBody || block.end > block.fieldsEnd) length = withLineBreak(selected, length);
  return selected.subarray(0, length);
}

function withLineBreak(bytes: Buffer, length: number): number {
  bytes[length] = carriageReturn;
  bytes[length + 1] = lineFeed;
  return length + 2;
}
