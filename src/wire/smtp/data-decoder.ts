// The bytes behind DATA (RFC 5321 4.1.1.4, 4.5.2): finds the end, takes the stuffed dots out, a chunk at a time.
// Invariants: only CR LF . CR LF ends a message, whatever else stands in it; a message with a bare CR or a bare LF is
// marked and none of it is kept, because what others take for an end of line there is how mail is smuggled; where
// the chunks are cut makes no difference; each byte is looked at once.

import { ByteWords } from '../../base/byte-words.ts';

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const dot = 0x2e;

const lineStart = 0;
const inLine = 1;
const afterCr = 2;
/** "." at the start of a line, dropped already. */
const afterDot = 3;
const afterDotCr = 4;
const ended = 5;

/** Where the decoded bytes go. They are views into the chunks that were pushed. */
export interface DataSink {
  add(bytes: Buffer): void;
}

export class DataDecoder {
  #state = lineStart;
  #bareLineEnd = false;

  /** True when CR LF . CR LF was seen. */
  get ended(): boolean {
    return this.#state === ended;
  }

  /** The message has a CR or LF of its own and must be refused at its end. */
  get bareLineEnd(): boolean {
    return this.#bareLineEnd;
  }

  /** Decodes into `sink`; returns how many bytes belonged to the message: less than all when its end was among them. */
  push(chunk: Buffer, sink: DataSink): number {
    const length = chunk.length;
    const words = new ByteWords(chunk);
    let state = this.#state;
    let bare = this.#bareLineEnd;
    // Decoded bytes from `from` on are not yet in the sink.
    let from = 0;
    let at = 0;
    while (at < length && state !== ended) {
      if (state === inLine) {
        at = words.lowByte(at, length);
        // Nearly every line ends with CR LF, and nothing is to be done about it or the next one's beginning.
        while (at + 2 < length && chunk[at] === carriageReturn && chunk[at + 1] === lineFeed) {
          const next = chunk[at + 2]!;
          if (next === dot || next === carriageReturn || next === lineFeed) break;
          at = words.lowByte(at + 3, length);
        }
        if (at >= length) break;
      }
      const byte = chunk[at]!;
      if (byte === carriageReturn) {
        // A second CR makes the first one bare. The CR of ".CR" may be the end: it is kept back.
        if (state === afterCr || state === afterDotCr) bare = true;
        if (state === afterDot) {
          state = afterDotCr;
          from = at + 1;
        } else {
          state = afterCr;
        }
      } else if (byte === lineFeed) {
        if (state === afterDotCr) {
          state = ended;
          from = at + 1;
        } else if (state === afterCr) {
          state = lineStart;
        } else {
          bare = true;
          state = inLine;
        }
      } else if (byte === dot && state === lineStart) {
        if (at > from && !bare) sink.add(chunk.subarray(from, at));
        from = at + 1;
        state = afterDot;
      } else {
        if (state === afterCr || state === afterDotCr) bare = true;
        state = inLine;
      }
      at++;
    }
    if (at > from && !bare) sink.add(chunk.subarray(from, at));
    this.#state = state;
    this.#bareLineEnd = bare;
    return at;
  }
}
