// A few field names to be told apart in headers: the header's bytes are compared with them, no string is made of each name.

import { type HeaderBlock, isFieldName, offsetsPerField } from './header.ts';

export class FieldNames<Name extends string> {
  readonly #byLength: (Name[] | undefined)[] = [];

  /** In lower case. */
  constructor(names: readonly Name[]) {
    for (const name of names) {
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
