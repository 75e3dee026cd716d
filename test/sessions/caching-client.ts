// A client that keeps a mailbox's UIDs and flags over connections, as RFC 7162 section 6 tells it to, and is cut off at any
// line: for tests that a server lets it lose nothing. It believes what it is told and checks only what can be checked.

import assert from 'node:assert/strict';
import { ImapClient } from './imap-client.ts';

/** The flags of the cached messages, sorted, without \Recent. */
export type Mailbox = ReadonlyMap<number, string>;

export function flagsOf(text: string): string {
  const names = text.split(' ').filter((name) => name !== '' && name !== '\\Recent');
  return names.sort().join(' ');
}

export interface CachingStyle {
  /** Knows no message numbers (RFC 9586). */
  readonly uidOnly?: boolean;
  readonly compressed?: boolean;
}

export class CachingClient {
  readonly uidOnly: boolean;
  readonly #port: number;
  readonly #name: string;
  readonly #isCompressed: boolean;
  readonly #mailbox = new Map<number, string>();
  #uidValidity = 0;
  #modSeq = 0;
  /** All messages below this UID are known. */
  #uidNext = 1;
  #toldModSeq = 0;
  #codeModSeq: number | undefined;
  #client: ImapClient | undefined;
  #tag = 0;

  constructor(port: number, name: string, { uidOnly = false, compressed = false }: CachingStyle = {}) {
    this.#port = port;
    this.#name = name;
    this.uidOnly = uidOnly;
    this.#isCompressed = compressed;
  }

  get mailbox(): Mailbox {
    return this.#mailbox;
  }

  /** Connects if need be, and catches up. `style` chooses what of its cache it tells. */
  async synchronise(style: number): Promise<void> {
    if (this.#client === undefined) {
      this.#client = await ImapClient.login(this.#port, this.#name);
      if (this.#isCompressed) {
        await this.#client.send('COMPRESS DEFLATE').ok();
        this.#client.socket.startDeflate();
      }
      await this.#client.send(`ENABLE QRESYNC${this.uidOnly ? ' UIDONLY' : ''}`).ok();
    }
    const cached = [...this.#mailbox.keys()].sort((a, b) => a - b).filter((uid) => uid < this.#uidNext);
    let parameter = `${this.#uidValidity} ${this.#modSeq}`;
    if (style % 3 === 1 && this.#uidNext > 1) parameter += ` 1:${this.#uidNext - 1}`;
    if (style % 2 === 1 && cached.length > 0 && !this.uidOnly) {
      const places = cached.map((_, index) => index).filter((index) => (index + style) % 3 === 0);
      const [numbers, uids] = [places.map((index) => index + 1), places.map((index) => cached[index])];
      if (places.length > 0) parameter += ` (${numbers.join()} ${uids.join()})`;
    }
    await this.command(`SELECT INBOX${this.#modSeq > 0 ? ` (QRESYNC (${parameter}))` : ''}`);
    await this.fetchNew();
  }

  async fetchNew(): Promise<void> {
    await this.command(`UID FETCH ${this.#uidNext}:* FLAGS`);
    this.#uidNext = Math.max(this.#uidNext, ...[...this.#mailbox.keys()].map((uid) => uid + 1));
  }

  /** Sends a command and takes what comes, up to its end; with `linesMax` the connection is cut behind so many lines. */
  async command(text: string, linesMax = Number.POSITIVE_INFINITY): Promise<void> {
    const client = this.#client!;
    const tag = `c${++this.#tag}`;
    this.#toldModSeq = 0;
    this.#codeModSeq = undefined;
    client.socket.write(`${tag} ${text}\r\n`);
    for (let lines = 0; ; lines++) {
      if (lines >= linesMax) {
        this.cut();
        return;
      }
      const line = await client.line();
      assert(line !== undefined, `the server ended the connection at ${text}`);
      if (!line.startsWith(`${tag} `)) {
        this.#take(line, text);
        continue;
      }
      assert.match(line, /^c\d+ (OK|NO \[EXPUNGEISSUED\]) /, `${text} → ${line}`);
      this.#takeCode(line);
      this.#complete();
      return;
    }
  }

  cut(): void {
    this.#client?.[Symbol.dispose]();
    this.#client = undefined;
  }

  /** RFC 7162 section 6: only the end of a command moves what the client is synchronised to. */
  #complete(): void {
    if (this.#codeModSeq !== undefined) this.#modSeq = this.#codeModSeq;
    else this.#modSeq = Math.max(this.#modSeq, this.#toldModSeq);
  }

  #take(line: string, command: string): void {
    this.#takeCode(line);
    const vanished = /^\* VANISHED (\(EARLIER\) )?([0-9:,]+)$/.exec(line);
    if (vanished !== null) {
      for (const range of vanished[2]!.split(',')) {
        const [first, last = first] = range.split(':').map(Number);
        for (const uid of [...this.#mailbox.keys()])
          if (uid >= first! && uid <= last!) this.#mailbox.delete(uid);
      }
      return;
    }
    assert.doesNotMatch(line, / EXPUNGE$/);
    const fetched = /^\* (\d+) (UID)?FETCH \((.*)\)$/.exec(line);
    if (fetched === null) return;
    const [, number, byUid, items = ''] = fetched;
    assert.equal(byUid !== undefined, this.uidOnly, line);
    const uid = Number(this.uidOnly ? number : /UID (\d+)/.exec(items)![1]);
    this.#toldModSeq = Math.max(this.#toldModSeq, Number(/MODSEQ \((\d+)\)/.exec(items)?.[1] ?? 0));
    const flags = /FLAGS \(([^)]*)\)/.exec(items)?.[1];
    if (flags === undefined) return;
    // Of messages it does not know the client asks later, all of them in order.
    if (uid < this.#uidNext ? this.#mailbox.has(uid) : command.startsWith('UID FETCH')) {
      this.#mailbox.set(uid, flagsOf(flags));
    }
  }

  #takeCode(line: string): void {
    const modSeq = /\[HIGHESTMODSEQ (\d+)\]/.exec(line)?.[1];
    if (modSeq !== undefined) this.#codeModSeq = Number(modSeq);
    const uidValidity = /^\* OK \[UIDVALIDITY (\d+)\]/.exec(line)?.[1];
    if (uidValidity === undefined || Number(uidValidity) === this.#uidValidity) return;
    this.#uidValidity = Number(uidValidity);
    this.#mailbox.clear();
    this.#uidNext = 1;
  }
}
