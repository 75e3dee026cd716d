// Multi-line responses (RFC 1939 section 3): lines end with CRLF, a line that begins with '.' gets another one in front,
// a line with '.' alone ends it. Messages come in pieces of any size; a piece that needs no change is passed on as it is.
// Invariant: what goes out is CRLF lines only where LFs are concerned: a bare LF in a stored message becomes CRLF, so
// that no reader can take one for a line end where another does not. A bare CR stays.

/** The last line; the message before it ended with CRLF. */
export const multilineEnd = '.\r\n';

const lineFeed = 10;
const carriageReturn = 13;
const dot = 46;

/** Carries what the next piece must know of the one before. */
export class MultilineEncoder {
  #atLineStart = true;
  #afterCarriageReturn = false;

  /** The piece as it goes out: latin1 text, as `piece` is. */
  text(piece: string): string {
    const needsChange = this.#needsChange(piece);
    const out = needsChange ? this.#change(piece) : piece;
    this.#remember(piece.charCodeAt(piece.length - 1), piece.length);
    return out;
  }

  /** The same for bytes; the result is `piece` itself when nothing had to change. */
  bytes(piece: Buffer): Buffer {
    const text = piece.toString('latin1');
    const out = this.#needsChange(text) ? Buffer.from(this.#change(text), 'latin1') : piece;
    this.#remember(piece[piece.length - 1] ?? 0, piece.length);
    return out;
  }

  /** What is missing at the message's end: a line end, when it has none, and the line that ends the response. */
  end(): string {
    if (this.#atLineStart) return multilineEnd;
    return this.#afterCarriageReturn ? `\n${multilineEnd}` : `\r\n${multilineEnd}`;
  }

  #remember(last: number, length: number): void {
    if (length === 0) return;
    this.#atLineStart = last === lineFeed;
    this.#afterCarriageReturn = last === carriageReturn;
  }

  /** Two searches in native code; nearly every message passes both. */
  #needsChange(text: string): boolean {
    if (this.#atLineStart && text.charCodeAt(0) === dot) return true;
    if (text.includes('\n.')) return true;
    if (text.charCodeAt(0) === lineFeed && !this.#afterCarriageReturn) return true;
    for (let at = text.indexOf('\n', 1); at >= 0; at = text.indexOf('\n', at + 1)) {
      if (text.charCodeAt(at - 1) !== carriageReturn) return true;
    }
    return false;
  }

  #change(text: string): string {
    const firstIsEnded = this.#afterCarriageReturn && text.charCodeAt(0) === lineFeed;
    const lines = firstIsEnded
      ? `\n${text.slice(1).replace(bareLineFeed, '\r\n')}`
      : text.replace(bareLineFeed, '\r\n');
    const stuffed = lines.replaceAll('\n.', '\n..');
    return this.#atLineStart && text.charCodeAt(0) === dot ? `.${stuffed}` : stuffed;
  }
}

const bareLineFeed = /(?<!\r)\n/g;
