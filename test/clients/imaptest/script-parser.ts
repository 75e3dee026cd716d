// Reads a test script of `imaptest` (dovecot/imaptest, docs/scripted_test.md): a header of `key: value` lines, an empty line, then
// commands with the replies that are expected of them. It knows the shape of the lines, nothing of IMAP: commands and replies
// stay text with literals in between. A line that fits nowhere is a ScriptError with its number.

/** Text as it stands, or what stood between `{{{` and `}}}`, with CRLF and without the last one. */
export type ScriptText = readonly (string | ScriptLiteral)[];

export interface ScriptLiteral {
  readonly content: string;
  /** `~{{{`: a literal8 in a command; in a reply, carriage returns are not compared. */
  readonly eight: boolean;
}

/** For people: literals as they were written, but on the line. */
export function writtenText(text: ScriptText): string {
  return text.map((part) => (typeof part === 'string' ? part : `{{{${part.content}}}}`)).join('');
}

/** `*`: has to come; `!`: must not come; `?`: may come. */
export type ExpectationKind = '*' | '!' | '?';

export interface Expectation {
  readonly line: number;
  readonly kind: ExpectationKind;
  readonly text: ScriptText;
}

export type TaggedStatus = 'ok' | 'no' | 'bad' | 'any';

export interface ScriptCommand {
  readonly line: number;
  readonly text: ScriptText;
  /** How it has to end, with what the text behind the status has to begin with. */
  readonly status: TaggedStatus;
  readonly prefix: string;
}

/** Commands that are sent before any answer is read: mostly one. */
export interface ScriptStep {
  /** From 1. */
  readonly connection: number;
  readonly commands: readonly ScriptCommand[];
  readonly expectations: readonly Expectation[];
}

export type ScriptState = 'nonauth' | 'auth' | 'created' | 'appended' | 'selected';

export interface Script {
  readonly capabilities: readonly string[];
  readonly connections: number;
  /** Undefined: as many as there are. */
  readonly messages: number | undefined;
  readonly state: ScriptState;
  readonly ignoresExtraReplies: boolean;
  readonly steps: readonly ScriptStep[];
}

export class ScriptError extends Error {
  constructor(line: number, problem: string) {
    super(`line ${line}: ${problem}`);
  }
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** More would only be somebody's mistake. */
const connectionsMax = 50;

export function parseScript(source: string, environment: Environment = {}): Script {
  const lines = preprocessed(source, environment);
  const emptyLine = lines.findIndex(({ text }) => text.trim() === '');
  const headerEnd = emptyLine < 0 ? lines.length : emptyLine;
  const header = parseHeader(lines.slice(0, headerEnd));
  const logical = logicalLines(lines.slice(headerEnd));
  return { ...header, steps: new StepReader(logical, header.connections > 1).steps() };
}

interface SourceLine {
  readonly line: number;
  readonly text: string;
}

interface LogicalLine {
  readonly line: number;
  readonly text: ScriptText;
}

/** Without what `!ifenv` and `!ifnenv` leave out. */
function preprocessed(source: string, environment: Environment): SourceLine[] {
  const kept: SourceLine[] = [];
  const conditions: boolean[] = [];
  for (const [index, text] of source.replaceAll('\r\n', '\n').split('\n').entries()) {
    const match = /^!(ifenv|ifnenv|else|endif)\b\s*(\S*)/.exec(text);
    if (match === null) {
      if (conditions.every(Boolean)) kept.push({ line: index + 1, text });
      continue;
    }
    const [, directive, name = ''] = match;
    if (directive === 'ifenv') conditions.push(environment[name] !== undefined);
    else if (directive === 'ifnenv') conditions.push(environment[name] === undefined);
    else {
      const last = conditions.pop();
      if (last === undefined) throw new ScriptError(index + 1, `!${directive} without !ifenv`);
      if (directive === 'else') conditions.push(!last);
    }
  }
  return kept;
}

type Header = Omit<Script, 'steps'>;

function parseHeader(lines: readonly SourceLine[]): Header {
  const values = new Map<string, string>();
  for (const { line, text } of lines) {
    if (text.startsWith('#')) continue;
    const match = /^(\w+):\s*(.*?)\s*$/.exec(text);
    if (match === null) throw new ScriptError(line, `not a header: ${text}`);
    values.set(match[1]!, match[2]!);
  }
  const state = (values.get('state') ?? 'selected') as ScriptState;
  if (!['nonauth', 'auth', 'created', 'appended', 'selected'].includes(state))
    throw new ScriptError(1, `unknown state: ${state}`);
  const connections = Number(values.get('connections') ?? 1);
  if (!(connections >= 1 && connections <= connectionsMax))
    throw new ScriptError(1, `connections: 1 to ${connectionsMax}`);
  const messages = values.get('messages');
  return {
    capabilities: (values.get('capabilities') ?? '').split(/\s+/).filter((name) => name !== ''),
    connections,
    messages: messages === undefined || messages === 'all' ? undefined : Number(messages),
    state,
    ignoresExtraReplies: values.get('ignore_extra_untagged') !== 'no',
  };
}

/** Lines that belong together through a literal as one; without comments and empty ones. */
function logicalLines(lines: readonly SourceLine[]): LogicalLine[] {
  const logical: LogicalLine[] = [];
  for (let at = 0; at < lines.length; at++) {
    const { line, text } = lines[at]!;
    if (text.trim() === '' || text.startsWith('#')) continue;
    const parts: (string | ScriptLiteral)[] = [];
    let rest = text;
    for (;;) {
      const opening = /(~?)\{\{\{$/.exec(rest);
      if (opening === null) break;
      parts.push(rest.slice(0, opening.index));
      const content: string[] = [];
      for (at++; !lines[at]?.text.startsWith('}}}'); at++) {
        if (lines[at] === undefined) throw new ScriptError(line, '{{{ without }}}');
        content.push(lines[at]!.text);
      }
      parts.push({ content: content.join('\r\n'), eight: opening[1] === '~' });
      rest = lines[at]!.text.slice(3);
    }
    parts.push(rest.trimEnd());
    logical.push({ line, text: parts });
  }
  return logical;
}

/** A line of commands without its connection: what it says first, and how it may be read. */
interface Words {
  readonly connection: number;
  readonly rest: ScriptText;
}

const statusPattern = /^(ok|no|bad|"")(?: (.*))?$/is;

/** Groups lines into steps. */
class StepReader {
  readonly #lines: readonly LogicalLine[];
  readonly #isNumbered: boolean;
  #at = 0;

  constructor(lines: readonly LogicalLine[], isNumbered: boolean) {
    this.#lines = lines;
    this.#isNumbered = isNumbered;
  }

  steps(): ScriptStep[] {
    const steps: ScriptStep[] = [];
    while (this.#at < this.#lines.length) steps.push(this.#step());
    return steps;
  }

  #step(): ScriptStep {
    const line = this.#lines[this.#at]!;
    if (expectationOf(line) !== undefined) throw new ScriptError(line.line, 'a reply without its command');
    const { connection, rest } = this.#words(line);
    const first = statusPattern.exec(headOf(rest));
    if (first?.[2] !== undefined) {
      this.#at++;
      const [, prefix = '', command] = /^(?:(\[[^\]]*\]) )?(.*)$/s.exec(first[2])!;
      const text = [command!, ...rest.slice(1)];
      const sent = { line: line.line, text, status: statusOf(first[1]!), prefix };
      return { connection, commands: [sent], expectations: this.#expectations() };
    }
    if (first !== null) throw new ScriptError(line.line, 'a tagged reply without its command');
    return this.#laterEnded(connection);
  }

  /** Commands whose tagged replies are written below them: one without a tag, or several with tags. */
  #laterEnded(connection: number): ScriptStep {
    const start = this.#lines[this.#at]!.line;
    const open = new Map<string, { line: number; text: ScriptText }>();
    const commands: ScriptCommand[] = [];
    const expectations: Expectation[] = [];
    while (open.size > 0 || commands.length === 0) {
      const line = this.#lines[this.#at];
      if (line === undefined) throw new ScriptError(start, 'no tagged reply for this command');
      const expected = expectationOf(line);
      if (expected !== undefined) {
        expectations.push(expected);
        this.#at++;
        continue;
      }
      const words = this.#words(line);
      if (words.connection !== connection)
        throw new ScriptError(line.line, 'another connection before the tagged reply');
      const tag = this.#isTagged(words.rest) ? headOf(words.rest).split(' ')[0]! : '';
      const rest = [headOf(words.rest).slice(tag === '' ? 0 : tag.length + 1), ...words.rest.slice(1)];
      const ended = statusPattern.exec(headOf(rest));
      const sent = open.get(tag);
      if (ended !== null && sent !== undefined) {
        open.delete(tag);
        commands.push({ ...sent, status: statusOf(ended[1]!), prefix: ended[2] ?? '' });
      } else if (ended === null && sent === undefined) open.set(tag, { line: line.line, text: rest });
      else throw new ScriptError(line.line, 'neither a command nor the reply to one');
      this.#at++;
    }
    commands.sort((a, b) => a.line - b.line);
    return { connection, commands, expectations: [...expectations, ...this.#expectations()] };
  }

  /** Its first word is a tag when some later line is that word and a status. */
  #isTagged(text: ScriptText): boolean {
    const word = headOf(text).split(' ')[0]!;
    return this.#lines.slice(this.#at).some((line) => {
      const head = headOf(this.#words(line).rest);
      return head.startsWith(`${word} `) && statusPattern.test(head.slice(word.length + 1));
    });
  }

  #expectations(): Expectation[] {
    const found: Expectation[] = [];
    for (; this.#at < this.#lines.length; this.#at++) {
      const expected = expectationOf(this.#lines[this.#at]!);
      if (expected === undefined) break;
      found.push(expected);
    }
    return found;
  }

  #words({ line, text }: LogicalLine): Words {
    if (!this.#isNumbered || expectationOf({ line, text }) !== undefined)
      return { connection: 1, rest: text };
    const match = /^(\d+) (.*)$/s.exec(headOf(text));
    if (match === null) throw new ScriptError(line, 'the number of the connection is missing');
    return { connection: Number(match[1]), rest: [match[2]!, ...text.slice(1)] };
  }
}

function expectationOf({ line, text }: LogicalLine): Expectation | undefined {
  const match = /^([*!?]) (.*)$/s.exec(headOf(text));
  if (match === null) return undefined;
  return { line, kind: match[1] as ExpectationKind, text: [match[2]!, ...text.slice(1)] };
}

/** What stands before the first literal. */
function headOf(text: ScriptText): string {
  return text[0] as string;
}

function statusOf(word: string): TaggedStatus {
  return word === '""' ? 'any' : (word.toLowerCase() as TaggedStatus);
}
