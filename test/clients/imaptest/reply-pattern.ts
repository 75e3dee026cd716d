// What a test script says of an untagged reply, compared with one that came. A comparison that fails leaves the variables as they
// were.

import type { Response, ResponseValue } from '../../imap-response.ts';
import { type ListRules, ordered, type Pattern, PatternReader, sectionPattern } from './pattern-reader.ts';
import { type Expectation, writtenText } from './script-parser.ts';
import { matchesText, type Piece, piecesOf, type Variables } from './script-variables.ts';

const unordered: ListRules = { ...ordered, chain: 1, allowsExtra: true };
const pairs: ListRules = { ...unordered, chain: 2 };
const flagList: ListRules = { ...unordered, allowsExtra: false, ignored: ['\\recent'] };

const statusWords = ['ok', 'no', 'bad', 'bye', 'preauth'];

export class ReplyPattern {
  readonly expectation: Expectation;
  readonly #items: readonly Pattern[];
  /** Of a status reply, which is compared as text from its beginning. */
  readonly #status: readonly Piece[] | undefined;

  constructor(expectation: Expectation) {
    this.expectation = expectation;
    const { text, line } = expectation;
    const isStatus = statusWords.includes((text[0] as string).split(' ')[0]!.toLowerCase());
    this.#status = isStatus ? piecesOf(writtenText(text)) : undefined;
    this.#items = isStatus ? [] : new PatternReader(text, line).items();
  }

  /** Whether it is this reply; then the variables have the values that this gave them. */
  matches(response: Response, variables: Variables): boolean {
    return variables.attempt((trial) => this.#isMatch(response, trial));
  }

  #isMatch(response: Response, variables: Variables): boolean {
    if (response.type === 'data') {
      if (this.#status !== undefined) return false;
      return areItems(this.#items, response.values, variables, defaultRules(response.values));
    }
    if (response.type !== 'status' || this.#status === undefined) return false;
    const { status, code, text } = response;
    const whole = `${status} ${code === undefined ? '' : `[${code}] `}${text}`;
    return matchesText(this.#status, whole, variables, 'beginning');
  }
}

/** How the lists of a reply are compared when the script says nothing. */
type DefaultRules = (index: number) => ListRules;

function defaultRules(values: readonly ResponseValue[]): DefaultRules {
  const [first, second] = values.map((value) => (typeof value === 'string' ? value.toUpperCase() : ''));
  if (second === 'FETCH') return (index) => (index === 2 ? pairs : ordered);
  if (first === 'STATUS') return (index) => (index === 2 ? pairs : ordered);
  if (first === 'LIST' || first === 'LSUB') return (index) => (index === 1 ? unordered : ordered);
  return () => ordered;
}

/** One behind the other, and nothing more. */
function areItems(
  patterns: readonly Pattern[],
  values: readonly ResponseValue[],
  variables: Variables,
  rulesAt: DefaultRules,
): boolean {
  if (patterns.length !== values.length) return false;
  return patterns.every((pattern, index) => isItem(pattern, values[index]!, variables, rulesAt(index)));
}

function isItem(pattern: Pattern, value: ResponseValue, variables: Variables, rules: ListRules): boolean {
  switch (pattern.kind) {
    case 'any':
      return true;
    case 'nil':
      return value === null;
    case 'list':
      return Array.isArray(value) && isList(pattern.items, value, variables, pattern.rules ?? rules);
    case 'literal8':
      return (
        Buffer.isBuffer(value) && withoutReturns(value.toString('latin1')) === withoutReturns(pattern.content)
      );
    case 'word': {
      if (Array.isArray(value)) return false;
      if (value === null) return pattern.pieces.length === 1 && matchesText(pattern.pieces, 'NIL', variables);
      const text = Buffer.isBuffer(value) ? value.toString('latin1') : withoutQuotes(value);
      return matchesText(pattern.pieces, text, variables);
    }
  }
}

function withoutReturns(text: string): string {
  return text.replaceAll('\r', '');
}

/** Names of header fields in a section may be quoted. */
function withoutQuotes(atom: string): string {
  return sectionPattern.test(atom) ? atom.replaceAll('"', '') : atom;
}

function isList(
  patterns: readonly Pattern[],
  values: readonly ResponseValue[],
  variables: Variables,
  rules: ListRules,
): boolean {
  if (rules.chain === 0) {
    const compared = rules.allowsExtra ? values.slice(0, patterns.length) : values;
    return areItems(patterns, compared, variables, () => ordered);
  }
  const left = chained(values, rules.chain);
  for (const wanted of chained(patterns, rules.chain)) {
    const found = left.findIndex((group) =>
      variables.attempt((trial) => areItems(wanted, group, trial, () => rulesBehind(group[0]))),
    );
    if (found < 0) return false;
    left.splice(found, 1);
  }
  const names = left.map(([name]) => (typeof name === 'string' ? name.toLowerCase() : ''));
  return names.every((name) =>
    rules.allowsExtra ? !rules.banned.includes(name) : rules.ignored.includes(name),
  );
}

/** The list of flags in a FETCH reply. */
function rulesBehind(name: ResponseValue | undefined): ListRules {
  return typeof name === 'string' && name.toUpperCase() === 'FLAGS' ? flagList : ordered;
}

function chained<T>(items: readonly T[], length: number): T[][] {
  const groups: T[][] = [];
  for (let at = 0; at < items.length; at += length) groups.push(items.slice(at, at + length));
  return groups;
}
