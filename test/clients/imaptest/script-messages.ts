// The messages that a test script appends: those of its mbox file, one after another and then from the first again. Each has the
// time of its `From ` line; lines end with CRLF; the empty line before the next `From ` is the message's own, as imaptest has it.

export interface ScriptMessage {
  /** Latin1. */
  readonly content: string;
  /** As APPEND writes it, with quotes; undefined: the `From ` line has no time. */
  readonly internalDate: string | undefined;
}

/** `Fri Feb 22 17:06:23 2008`, with a zone behind it or not. */
const timePattern =
  /[A-Z][a-z]{2} +([A-Z][a-z]{2}) +(\d{1,2}) (\d{2}:\d{2}:\d{2}) (\d{4})(?: ([+-]\d{4}))?\s*$/;

/** A `From ` line begins a message at the file's beginning or behind an empty line. */
const separatorPattern = /(?<![^\n]\n)^From (.*)\n/m;

export class ScriptMessages {
  readonly #messages: readonly ScriptMessage[];
  #next = 0;

  /** Of an mbox file as latin1. */
  constructor(mbox: string) {
    const parts = mbox.replaceAll('\r\n', '\n').split(separatorPattern);
    const messages: ScriptMessage[] = [];
    for (let at = 1; at < parts.length; at += 2) {
      const content = parts[at + 1]!.replaceAll('\n', '\r\n');
      messages.push({ content, internalDate: internalDateOf(parts[at]!) });
    }
    if (messages.length === 0) throw new Error('no message in the mbox file');
    this.#messages = messages;
  }

  get count(): number {
    return this.#messages.length;
  }

  next(): ScriptMessage {
    const message = this.#messages[this.#next % this.#messages.length]!;
    this.#next++;
    return message;
  }
}

function internalDateOf(fromLine: string): string | undefined {
  const match = timePattern.exec(fromLine);
  if (match === null) return undefined;
  const [, month, day, time, year, zone = '+0000'] = match;
  return `"${day!.padStart(2, '0')}-${month}-${year} ${time} ${zone}"`;
}
