// What an application keeps of a mailbox on its own disk: the messages by UID with their flags, brought up to date by what
// it is told on one session after another. It may be told in another order than things happened (a library hands over
// pushes and answers by different ways), so mod-sequences and the UIDs that vanished decide what is newer.

import assert from 'node:assert/strict';
import { type Seen, sortedFlags } from './client-sessions.ts';

/** As imapflow's events and answers have it. */
export interface ToldMessage {
  readonly uid?: number | undefined;
  readonly flags?: ReadonlySet<string> | undefined;
  readonly modseq?: bigint | undefined;
}

export class MailboxCopy {
  readonly #rows = new Map<number, { readonly modSeq: bigint; readonly flags: string }>();
  /** A UID is given once: what vanished does not come back. */
  readonly #vanished = new Set<number>();

  take({ uid, flags, modseq }: ToldMessage): void {
    // RFC 7162 3.2.3: with QRESYNC every FETCH that is pushed has the UID, with CONDSTORE the mod-sequence.
    assert.ok(
      uid !== undefined && modseq !== undefined,
      `flags without UID or mod-sequence: ${uid} ${modseq}`,
    );
    const before = this.#rows.get(uid)?.modSeq ?? 0n;
    if (flags === undefined || this.#vanished.has(uid) || modseq < before) return;
    this.#rows.set(uid, { modSeq: modseq, flags: sortedFlags(flags) });
  }

  vanish(uid: number | undefined): void {
    assert.ok(uid !== undefined, 'with QRESYNC UIDs vanish, not sequence numbers');
    this.#vanished.add(uid);
    this.#rows.delete(uid);
  }

  has(uid: number): boolean {
    return this.#rows.has(uid);
  }

  get uids(): number[] {
    return [...this.#rows.keys()].sort((one, other) => one - other);
  }

  get view(): Seen[] {
    return this.uids.map((uid) => ({ uid, flags: this.#rows.get(uid)!.flags }));
  }
}
