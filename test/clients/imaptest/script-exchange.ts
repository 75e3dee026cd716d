// One step of a test script on its connection: commands sent, replies compared as they come, until the last command is answered. The
// order of replies does not matter, and one reply may be several of those expected. Variables get their values from replies that
// matched, even when the step failed.

import type { Response } from '../../imap-response.ts';
import type { ReplyPattern } from './reply-pattern.ts';
import type { Received, ScriptConnection } from './script-connection.ts';
import type { ScriptMessages } from './script-messages.ts';
import { type ScriptCommand, type ScriptText, writtenText } from './script-parser.ts';
import { matchesText, piecesOf, type Variables } from './script-variables.ts';

export interface Difference {
  readonly line: number;
  readonly expected: string;
  /** What came instead, as it came. */
  readonly came: readonly string[];
}

export interface ExpectedReplies {
  readonly patterns: readonly ReplyPattern[];
  /** Without it, a reply that no pattern matches is a difference. */
  readonly ignoresExtra: boolean;
}

export class ScriptExchange {
  readonly #connection: ScriptConnection;
  readonly #variables: Variables;
  readonly #expected: ExpectedReplies;
  readonly #met = new Set<ReplyPattern>();
  readonly #differences: Difference[] = [];
  readonly #untagged: string[] = [];
  /** By tag, commands that are not answered yet. */
  readonly #open = new Map<string, ScriptCommand>();
  /** Numbers of the messages expunged so far, each at its moment. */
  readonly #expunged: number[] = [];

  constructor(connection: ScriptConnection, variables: Variables, expected: ExpectedReplies) {
    this.#connection = connection;
    this.#variables = variables.during((number) => this.#numberNow(number));
    this.#expected = expected;
  }

  /** Sends it, its literals as the server asks for them; one that is answered before is sent no further. */
  async send(command: ScriptCommand, messages: ScriptMessages): Promise<void> {
    const tag = this.#connection.newTag();
    this.#variables.set('tag', tag);
    this.#open.set(tag, command);
    this.#connection.write(`${tag} `);
    for (const part of withMessage(command.text, messages)) {
      if (typeof part === 'string') {
        this.#connection.write(this.#variables.expand(part, command.line));
        continue;
      }
      this.#connection.write(`${part.eight ? '~' : ''}{${part.content.length}}\r\n`);
      if (!(await this.#isAskedFor(tag))) return;
      this.#connection.write(part.content);
    }
    this.#connection.write('\r\n');
  }

  /** When all is answered: what differs. */
  async finish(): Promise<Difference[]> {
    while (this.#open.size > 0) this.#take(await this.#connection.next());
    for (const pattern of this.#expected.patterns) {
      const { kind, line, text } = pattern.expectation;
      const isMet = this.#met.has(pattern);
      if (kind === '?' || isMet === (kind === '*')) continue;
      this.#differences.push({ line, expected: `${kind} ${writtenText(text)}`, came: this.#untagged });
    }
    return this.#differences.sort((a, b) => a.line - b.line);
  }

  async #isAskedFor(tag: string): Promise<boolean> {
    while (this.#open.has(tag)) {
      const received = await this.#connection.next();
      if (received.response.type === 'continuation') return true;
      this.#take(received);
    }
    return false;
  }

  #take({ response, text }: Received): void {
    const command = response.type === 'status' ? this.#open.get(response.tag) : undefined;
    if (response.type === 'status' && command !== undefined) {
      this.#open.delete(response.tag);
      this.#compareStatus(command, response, text);
      return;
    }
    this.#untagged.push(text);
    let isExpected = false;
    for (const pattern of this.#expected.patterns) {
      if (!pattern.matches(response, this.#variables)) continue;
      this.#met.add(pattern);
      isExpected = true;
    }
    if (!isExpected && !this.#expected.ignoresExtra)
      this.#differences.push({ line: this.#firstLine(), expected: 'no other reply', came: [text] });
    if (response.type === 'data' && response.values[1] === 'EXPUNGE')
      this.#expunged.push(Number(response.values[0]));
  }

  #compareStatus(
    command: ScriptCommand,
    response: Extract<Response, { type: 'status' }>,
    came: string,
  ): void {
    const { status, prefix, line } = command;
    const behind = came.slice(`${response.tag} ${response.status} `.length);
    const isRight =
      (status === 'any' || response.status.toLowerCase() === status) &&
      matchesText(piecesOf(prefix), behind, this.#variables, 'beginning');
    if (isRight) return;
    const expected = `${writtenText(command.text)} → ${status} ${prefix}`.trimEnd();
    this.#differences.push({ line, expected, came: [...this.#untagged, came] });
  }

  #firstLine(): number {
    return this.#open.values().next().value?.line ?? 0;
  }

  /** Of the message that had this number when the step began. */
  #numberNow(number: number): number | undefined {
    let now = number;
    for (const expunged of this.#expunged) {
      if (expunged === now) return undefined;
      if (expunged < now) now--;
    }
    return now;
  }
}

/**
 * APPEND without a message appends the script's next one, to the test mailbox when none is named, with the message's own time when
 * none is given.
 */
function withMessage(text: ScriptText, messages: ScriptMessages): ScriptText {
  const [head] = text as [string];
  const isAppend = /^append\b/i.test(head) && text.length === 1 && !/\bcatenate\b/i.test(head);
  if (!isAppend) return text;
  const { content, internalDate } = messages.next();
  const named = head.includes(' ') ? head : `${head} $mailbox`;
  const dated = internalDate === undefined || named.endsWith('"') ? named : `${named} ${internalDate}`;
  return [`${dated} `, { content, eight: false }];
}
