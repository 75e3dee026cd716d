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

/** Which fields of a header, and whether its message has more than the header. */
export interface FieldSelection {
  readonly names: FieldNames<string>;
  /** True: the fields with one of the names (HEADER.FIELDS); false: all others (HEADER.FIELDS.NOT). */
  readonly matching: boolean;
  readonly hasBody: boolean;
}

/** The bytes of the chosen fields, as they came, with a blank line, unless the message has none and no body either (RFC 9051 6.4.5). */
export function selectedFields(bytes: Uint8Array, block: HeaderBlock, selection: FieldSelection): Buffer {
  const selected = Buffer.allocUnsafe(selectedBytesMax(block));
  return selected.subarray(
    0,
    writeSelectedFields(bytes, { block, ...selection }, { target: selected, at: 0 }),
  );
}

/** The header, a line break for a last field without one, and the blank line. */
export function selectedBytesMax(block: HeaderBlock): number {
  return block.end - block.start + 4;
}

/** The same into a buffer with room for `selectedBytesMax`; where it ends there. */
export function writeSelectedFields(
  bytes: Uint8Array,
  { block, names, matching, hasBody }: FieldSelection & { readonly block: HeaderBlock },
  { target, at }: { readonly target: Buffer; readonly at: number },
): number {
  const buffer = asBuffer(bytes);
  const { offsets, count } = block;
  let end = at;
  let from = -1;
  for (let index = 0; index <= count; index++) {
    const chosen = index < count && (names.of(buffer, block, index) !== undefined) === matching;
    if (chosen && from < 0) from = index;
    if (chosen || from < 0) continue;
    // Neighbours go together.
    const last = offsets[index * offsetsPerField - 1]!;
    end += buffer.copy(target, end, offsets[from * offsetsPerField], last);
    if (target[end - 1] !== lineFeed) end = withLineBreak(target, end);
    from = -1;
  }
  return hasBody || block.end > block.fieldsEnd ? withLineBreak(target, end) : end;
}

function withLineBreak(bytes: Buffer, length: number): number {
  bytes[length] = carriageReturn;
  bytes[length + 1] = lineFeed;
  return length + 2;
}
