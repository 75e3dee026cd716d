// The maildrop of a session (RFC 1939 section 4): the INBOX as it was at login, under the maildrop lock. Numbers stay
// as they are whatever other sessions do; deletion marks are memory until `commit`.
// Owns the lock and gives it back in `close`. Reads ahead while the client goes through it in order; what is read
// ahead is bounded, and a message that another session expunged meanwhile is refused.
//
// Sizes (RFC 1939 section 11) are the octets that RETR sends, dots not counted that are stuffed: the account noted them
// when it stored the messages.

import type { AccountPort } from '../../account/port.ts';
import type { SentSizes } from '../../account/port-reads.ts';
import type { MailboxId, OperationId, Uid } from '../../mail/ids.ts';
import { undefinedWhen } from '../../mail/mail-error.ts';
import { surrogateBytesMax } from '../../wire/pop3/sent-size.ts';
import { headerEnd } from '../../wire/pop3/surrogate-header.ts';
import type { ReadAhead } from '../kit/read-ahead.ts';

export interface MaildropLimits {
  readonly readAheadBytes: number;
  readonly pieceBytes: number;
}

/** A message's bytes as they are stored: all of them, or its beginning; `size` is that of all. */
export interface Retrieved {
  readonly bytes: Buffer;
  readonly size: number;
}

interface MaildropOptions {
  readonly limits: MaildropLimits;
  /** The client asked for UTF-8. */
  readonly utf8: boolean;
  readonly ahead: ReadAhead;
}

interface Contents {
  readonly mailboxId: MailboxId;
  readonly uidValidity: number;
  readonly uids: Uint32Array;
  readonly sizes: Uint32Array;
}

/** Messages read in one call at the most: a call for a single small message must not cost a thousand others. */
const readAheadMax = 256;

/** Nearly every header, and what a client wants to show below it. */
const beginningBytes = 16 * 1024;

export class Maildrop {
  readonly #port: AccountPort;
  readonly #lock: AsyncDisposable;
  readonly #mailboxId: MailboxId;
  readonly #uidValidity: number;
  readonly #limits: MaildropLimits;
  readonly #room: ReadAhead;
  readonly #uids: Uint32Array;
  readonly #sizes: Uint32Array;
  readonly #deleted: Uint8Array;
  #remaining: number;
  #remainingBytes = 0;
  /** Number of the first message in #ahead. */
  #aheadFrom = 0;
  #ahead: (Retrieved | undefined)[] = [];
  #readAhead = 1;
  #lastRead = 0;

  private constructor(
    port: AccountPort,
    lock: AsyncDisposable,
    contents: Contents,
    { limits, ahead }: Pick<MaildropOptions, 'limits' | 'ahead'>,
  ) {
    this.#port = port;
    this.#lock = lock;
    this.#limits = limits;
    this.#room = ahead;
    this.#mailboxId = contents.mailboxId;
    this.#uidValidity = contents.uidValidity;
    this.#uids = contents.uids;
    this.#sizes = contents.sizes;
    this.#deleted = new Uint8Array(contents.uids.length);
    this.#remaining = contents.uids.length;
    for (const size of contents.sizes) this.#remainingBytes += size;
  }

  /** Locks and lists. Refuses with inUse when another session has the lock, noSuchMailbox, unavailable. */
  static async open(port: AccountPort, { limits, utf8, ahead }: MaildropOptions): Promise<Maildrop> {
    const lock = await port.lockMaildrop();
    try {
      const { info } = await port.openMailbox({ role: 'inbox' }, { claimRecent: false });
      const { id: mailboxId, uidValidity } = info;
      const noted = await undefinedWhen('notSupported', port.sentSizes(mailboxId));
      const { uids, sizes, surrogateSizes } = noted ?? (await storedSizes(port, mailboxId));
      const contents = { mailboxId, uidValidity, uids, sizes: utf8 ? sizes : surrogateSizes };
      return new Maildrop(port, lock, contents, { limits, ahead });
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Messages, marked ones included: numbers go up to it. */
  get length(): number {
    return this.#uids.length;
  }
  get remaining(): number {
    return this.#remaining;
  }
  get remainingBytes(): number {
    return this.#remainingBytes;
  }

  /** True when there is a message of that number that is not marked. */
  has(number: number): boolean {
    return number >= 1 && number <= this.#uids.length && this.#deleted[number - 1] === 0;
  }

  /** As it is sent. */
  size(number: number): number {
    return this.#sizes[number - 1]!;
  }

  /** RFC 1939 section 7: never another message's, the same in every session; UIDVALIDITY and UID are that. */
  uniqueId(number: number): string {
    const uid = this.#uids[number - 1]!;
    return uid.toString(16).padStart(8, '0') + this.#uidValidity.toString(16).padStart(8, '0');
  }

  delete(number: number): void {
    this.#deleted[number - 1] = 1;
    this.#remaining--;
    this.#remainingBytes -= this.size(number);
  }

  reset(): void {
    this.#deleted.fill(0);
    this.#remaining = this.#uids.length;
    this.#remainingBytes = 0;
    for (const size of this.#sizes) this.#remainingBytes += size;
  }

  /** The message, when it was read ahead; it is dropped from there. */
  takeRead(number: number): Retrieved | undefined {
    const index = number - this.#aheadFrom;
    const found = this.#ahead[index];
    if (found === undefined) return undefined;
    this.#ahead[index] = undefined;
    this.#lastRead = number;
    return found;
  }

  /**
   * The message from storage, and, when the client goes in order, those behind it. Undefined: it is gone. How many are
   * read grows with every time the client came for the next one.
   */
  async read(number: number): Promise<Retrieved | undefined> {
    const inOrder = number === this.#lastRead + 1;
    this.#readAhead = inOrder ? Math.min(this.#readAhead * 4, readAheadMax) : 1;
    const count = Math.min(this.#readAhead, this.#uids.length - number + 1);
    const uids = this.#uids.subarray(number - 1, number - 1 + count);
    const { readAheadBytes } = this.#limits;
    let bytes = 0;
    for (let at = number; at < number + count && bytes < readAheadBytes; at++) bytes += this.size(at);
    this.#room.begin(Math.min(bytes, readAheadBytes));
    // A header that is replaced is so as a whole, as its size was noted.
    const bytesMax = Math.max(this.#room.pieceBytes(readAheadBytes), surrogateBytesMax);
    const messages = await this.#port.readMessages(this.#mailboxId, uids, bytesMax);
    this.#aheadFrom = number;
    this.#ahead = messages.map(({ bytes, size }) => {
      return bytes === undefined ? undefined : { bytes: bufferOf(bytes), size };
    });
    this.#lastRead = number;
    const first = this.#ahead[0];
    this.#ahead[0] = undefined;
    return first;
  }

  /** The beginning of a message, for TOP: all of its header that may have to be replaced. */
  async readBeginning(number: number): Promise<Retrieved | undefined> {
    const beginning = await this.#readUpTo(number, beginningBytes);
    if (beginning === undefined || beginning.bytes.length === beginning.size) return beginning;
    if (headerEnd(beginning.bytes.toString('latin1')) >= 0) return beginning;
    return await this.#readUpTo(number, surrogateBytesMax);
  }

  async #readUpTo(number: number, bytesMax: number): Promise<Retrieved | undefined> {
    const uids = this.#uids.subarray(number - 1, number);
    const [message] = await this.#port.readMessages(this.#mailboxId, uids, bytesMax);
    if (message?.bytes === undefined) return undefined;
    return { bytes: bufferOf(message.bytes), size: message.size };
  }

  /** The next piece of a message; undefined when it is gone. */
  async readPiece(number: number, offset: number): Promise<Buffer | undefined> {
    const range = { offset, length: this.#room.pieceBytes(this.#limits.pieceBytes) };
    const bytes = await this.#port.readRange(this.#mailboxId, this.#uids[number - 1] as Uid, range);
    return bytes === undefined ? undefined : bufferOf(bytes);
  }

  /** Removes the marked messages, all or none; resolves with their number when that is durable. */
  async commit(operation: OperationId): Promise<number> {
    const marked = this.#uids.filter((_, index) => this.#deleted[index] === 1);
    if (marked.length === 0) return 0;
    await this.#port.expunge({ operation, mailboxId: this.#mailboxId, uids: marked, anyFlags: true });
    return marked.length;
  }

  async close(): Promise<void> {
    this.#room.begin(0);
    await this.#lock[Symbol.asyncDispose]();
  }
}

/** The account is hosted by a node of an older version, in the middle of an upgrade. */
async function storedSizes(port: AccountPort, mailboxId: MailboxId): Promise<SentSizes> {
  const { uids, sizes } = await port.columns(mailboxId, undefined);
  return { uids, sizes, surrogateSizes: sizes };
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
