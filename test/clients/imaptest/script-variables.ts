// The `$variables` of a test script, and words with variables in them: replaced in a command, compared in a reply, without case. A
// variable without a value has none in a command (ScriptError), and takes what stands in its place in a reply.

import { ScriptError } from './script-parser.ts';

/** Piece of a word: text; text whose case counts; a variable; in a reply, anything (in a command, the dollar that it is). */
export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'case'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'any'; readonly text: '$' };

/** The values of variables, and where the messages are that had a number when the command began. */
export class Variables {
  #values: Map<string, string>;
  /** Of `$7`: the number that message 7 has now; undefined: it is gone. */
  readonly numberNow: (number: number) => number | undefined;

  constructor(
    values: Iterable<readonly [string, string]>,
    numberNow: (number: number) => number | undefined = (number) => number,
  ) {
    this.#values = new Map(values);
    this.numberNow = numberNow;
  }

  get(name: string): string | undefined {
    if (/^\d+$/.test(name)) return String(this.numberNow(Number(name)) ?? 'gone');
    return this.#values.get(name);
  }

  set(name: string, value: string): void {
    this.#values.set(name, value);
  }

  /** The same variables, in a step of its own. */
  during(numberNow: (number: number) => number | undefined): Variables {
    const variables = new Variables([], numberNow);
    variables.#values = this.#values;
    return variables;
  }

  /** Keeps what a comparison has set when it says yes. */
  attempt(compare: (trial: Variables) => boolean): boolean {
    const trial = new Variables(this.#values, this.numberNow);
    const isMatch = compare(trial);
    if (isMatch) for (const [name, value] of trial.#values) this.#values.set(name, value);
    return isMatch;
  }

  /** A text of a command with its variables replaced. */
  expand(text: string, line: number): string {
    return piecesOf(text)
      .map((piece) => {
        if (piece.kind !== 'variable') return piece.text;
        const value = this.get(piece.name);
        if (value === undefined) throw new ScriptError(line, `$${piece.name} has no value`);
        return value;
      })
      .join('');
  }
}

const namePattern = /^(?:\{case:([^}]*)\}|\{(\w+)\}|(\w+))/;

/** `$$` is a dollar. */
export function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = [];
  let plain = '';
  const add = (piece: Piece): void => {
    if (plain !== '') pieces.push({ kind: 'text', text: plain });
    plain = '';
    pieces.push(piece);
  };
  for (let at = 0; at < text.length; at++) {
    const rest = text.slice(at + 1);
    const match = text[at] === '$' ? namePattern.exec(rest) : null;
    if (match !== null) {
      at += match[0].length;
      if (match[1] !== undefined) add({ kind: 'case', text: match[1] });
      else add({ kind: 'variable', name: (match[2] ?? match[3])! });
    } else if (text[at] === '$' && rest.startsWith('$')) {
      plain += '$';
      at++;
    } else if (text[at] === '$') add({ kind: 'any', text: '$' });
    else plain += text[at];
  }
  if (plain !== '') pieces.push({ kind: 'text', text: plain });
  return pieces;
}

/** The whole text, or its beginning. Variables without a value get theirs. */
export function matchesText(
  pieces: readonly Piece[],
  text: string,
  variables: Variables,
  extent: 'whole' | 'beginning' = 'whole',
): boolean {
  const unset: string[] = [];
  const source = pieces.map((piece) => {
    if (piece.kind === 'case') return `(?-i:${RegExp.escape(piece.text)})`;
    if (piece.kind === 'text') return RegExp.escape(piece.text);
    // A text that is not compared to its end has no words but those between blanks and brackets.
    const anything = extent === 'whole' ? '.*?' : '[^\\]\\s]+';
    if (piece.kind === 'any') return anything;
    const value = variables.get(piece.name);
    if (value !== undefined) return RegExp.escape(value);
    unset.push(piece.name);
    return `(${anything})`;
  });
  const match = new RegExp(`^${source.join('')}${extent === 'whole' ? '$' : ''}`, 'is').exec(text);
  if (match === null) return false;
  for (const [index, name] of unset.entries()) variables.set(name, match[index + 1]!);
  return true;
}
