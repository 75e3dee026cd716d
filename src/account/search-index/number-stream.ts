// The numbers of texts' terms in a row, while a segment is made: appended one by one, and read again from the beginning.
// Two bytes each: telling shorter ones apart took longer than all else. Invariant: what is appended is read again.

/** Stands before a number that has no room in one unit. */
const longNumber = 0xffff;

export class NumberStream {
  #units = new Uint16Array(32 * 1024);
  #used = 0;
  #read = 0;

  append(number: number): void {
    if (this.#used + 3 > this.#units.length) {
      const units = new Uint16Array(this.#units.length * 2);
      units.set(this.#units);
      this.#units = units;
    }
    if (number >= longNumber) {
      this.#units[this.#used++] = longNumber;
      this.#units[this.#used++] = number >>> 16;
    }
    this.#units[this.#used++] = number & 0xffff;
  }

  /** Fills `into` with the next numbers; how many there were, 0 at the end. */
  read(into: Int32Array): number {
    const units = this.#units;
    const end = this.#used;
    const most = into.length;
    let at = this.#read;
    let count = 0;
    while (count < most && at < end) {
      const unit = units[at++]!;
      if (unit < longNumber) into[count++] = unit;
      else {
        into[count++] = units[at]! * 65_536 + units[at + 1]!;
        at += 2;
      }
    }
    this.#read = at;
    return count;
  }
}
