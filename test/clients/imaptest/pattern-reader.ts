// Reads what a test script says of an untagged reply that is data into a pattern: words, lists, `$` for anything, and the `$!directives`
// at the beginning of a list, which say how it is compared. What cannot be read is a ScriptError with its line.

import { ScriptError, type ScriptLiteral, type ScriptText } from './script-parser.ts';
import { type Piece, piecesOf } from './script-variables.ts';

export type Pattern =
  | { readonly kind: 'any' }
  | { readonly kind: 'nil' }
  | { readonly kind: 'word'; readonly pieces: readonly Piece[] }
  /** Compared without carriage returns. */
  | { readonly kind: 'literal8'; readonly content: string }
  | { readonly kind: 'list'; readonly rules: ListRules | undefined; readonly items: readonly Pattern[] };

export interface ListRules {
  /** Elements that belong together; 0: in the order of the pattern. */
  readonly chain: number;
  readonly allowsExtra: boolean;
  readonly ignored: readonly string[];
  readonly banned: readonly string[];
}

/** As the script has it, and nothing more. */
export const ordered: ListRules = { chain: 0, allowsExtra: false, ignored: [], banned: [] };

/** A FETCH item with a section. */
export const sectionPattern = /^(BODY|BINARY(\.SIZE)?)\[/i;

/** Reads the pattern of a reply that is data. */
export class PatternReader {
  readonly #line: number;
  /** Literals are single elements between the characters of the text. */
  readonly #elements: readonly (string | ScriptLiteral)[];
  #at = 0;

  constructor(text: ScriptText, line: number) {
    this.#line = line;
    this.#elements = text.flatMap((part): readonly (string | ScriptLiteral)[] =>
      typeof part === 'string' ? [...part] : [part],
    );
  }

  items(): Pattern[] {
    const items: Pattern[] = [];
    for (;;) {
      while (this.#peek() === ' ') this.#at++;
      if (this.#at === this.#elements.length) return items;
      items.push(this.#pattern());
    }
  }

  #pattern(): Pattern {
    const first = this.#elements[this.#at];
    if (first === undefined) throw new ScriptError(this.#line, 'the reply ends too early');
    if (typeof first !== 'string') {
      this.#at++;
      const { content, eight } = first;
      return eight
        ? { kind: 'literal8', content }
        : { kind: 'word', pieces: [{ kind: 'text', text: content }] };
    }
    if (first === '(') return this.#list();
    const word = first === '"' ? this.#quoted() : this.#atom();
    if (first !== '"' && word === '$') return { kind: 'any' };
    if (first !== '"' && word.toLowerCase() === 'nil') return { kind: 'nil' };
    return { kind: 'word', pieces: piecesOf(word) };
  }

  #list(): Pattern {
    this.#at++;
    let rules: ListRules | undefined;
    const items: Pattern[] = [];
    for (;;) {
      while (this.#peek() === ' ') this.#at++;
      if (this.#peek() === ')') {
        this.#at++;
        return { kind: 'list', rules, items };
      }
      if (this.#peek() === '$' && this.#elements[this.#at + 1] === '!')
        rules = withDirective(rules ?? ordered, this.#atom(), this.#line);
      else items.push(this.#pattern());
    }
  }

  #quoted(): string {
    let text = '';
    for (this.#at++; this.#peek() !== '"'; this.#at++) {
      if (this.#peek() === '\\') this.#at++;
      if (this.#at >= this.#elements.length) throw new ScriptError(this.#line, 'a quote is not closed');
      text += this.#peek();
    }
    this.#at++;
    return text;
  }

  /** Up to a blank or parenthesis; those between the brackets of a FETCH item belong to it. */
  #atom(): string {
    const start = this.#at;
    let inSection = false;
    for (; this.#at < this.#elements.length; this.#at++) {
      const character = this.#peek();
      if (!inSection && (character === '' || ' ()"'.includes(character))) break;
      if (character === '[') inSection = sectionPattern.test(this.#text(start, this.#at + 1));
      if (character === ']') inSection = false;
    }
    if (this.#at === start) throw new ScriptError(this.#line, `unexpected: ${this.#peek()}`);
    return this.#text(start, this.#at);
  }

  #text(start: number, end: number): string {
    return this.#elements.slice(start, end).map(String).join('');
  }

  /** Empty for a literal and at the end. */
  #peek(): string {
    const element = this.#elements[this.#at];
    return typeof element === 'string' ? element : '';
  }
}

function withDirective(rules: ListRules, directive: string, line: number): ListRules {
  const [name, value = ''] = directive.slice('$!'.length).split('=');
  switch (name) {
    case 'ordered':
      return { ...rules, chain: 0, allowsExtra: false };
    case 'unordered':
      return { ...rules, chain: value === '' ? 1 : Number(value), allowsExtra: true };
    case 'extra':
      return { ...rules, allowsExtra: true };
    case 'noextra':
      return { ...rules, allowsExtra: false };
    case 'ignore':
      return { ...rules, ignored: [...rules.ignored, value.toLowerCase()] };
    case 'ban':
      return { ...rules, banned: [...rules.banned, value.toLowerCase()] };
    default:
      throw new ScriptError(line, `unknown directive: ${directive}`);
  }
}
