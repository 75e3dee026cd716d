// SMTP has one answer for all recipients of a message. When some copies were delivered and one must be tried again, the
// answer is "try again", and the sender sends everything again. Here stands which places (an account, and the detail of the
// address) have theirs, so that they do not get it twice. In memory and bounded: when it is forgotten, a copy is delivered
// twice, never not at all.

import { hash } from 'node:crypto';

/** Messages remembered; the oldest is forgotten first. */
const messagesMax = 1_000;
/** The head has Date and Message-ID; with the length it names a message well enough. */
const hashedBytesMax = 64 * 1024;

/** What tells a message from others. */
interface NamedMessage {
  readonly sender: string;
  readonly pieces: readonly Buffer[];
  readonly length: number;
}

export class PartialDeliveries {
  readonly #delivered = new Map<string, ReadonlySet<string>>();

  get empty(): boolean {
    return this.#delivered.size === 0;
  }

  /** Names a message as it came, before we add to it. */
  key({ sender, pieces, length }: NamedMessage): string {
    const head: Buffer[] = [];
    let rest = hashedBytesMax;
    for (const piece of pieces) {
      if (rest <= 0) break;
      head.push(piece.length > rest ? piece.subarray(0, rest) : piece);
      rest -= piece.length;
    }
    return hash('sha256', Buffer.concat([Buffer.from(`${sender}\0${length}\0`), ...head]), 'base64');
  }

  delivered(key: string): ReadonlySet<string> | undefined {
    return this.#delivered.get(key);
  }

  remember(key: string, places: ReadonlySet<string>): void {
    const known = this.#delivered.get(key);
    this.#delivered.delete(key);
    this.#delivered.set(key, known === undefined ? places : new Set([...known, ...places]));
    if (this.#delivered.size <= messagesMax) return;
    const [oldest] = this.#delivered.keys();
    if (oldest !== undefined) this.#delivered.delete(oldest);
  }

  forget(key: string): void {
    this.#delivered.delete(key);
  }
}
