// The arguments of MAIL and RCPT: a path and ESMTP parameters (RFC 5321 4.1.1.2, 4.1.1.3, 4.1.1.11). What each
// parameter means is read here too, so that a speaker gets typed values; one it was not offered is refused with 555.

import { parsePath, type SmtpPath } from './path.ts';
import { SmtpSyntaxError } from './smtp-syntax-error.ts';

export type BodyType = '7BIT' | '8BITMIME' | 'BINARYMIME';

export interface MailArguments {
  readonly path: SmtpPath;
  /** RFC 1870 SIZE: what the client says, undefined when it does not. */
  readonly size: number | undefined;
  /** RFC 6152, RFC 3030. */
  readonly body: BodyType;
  /** RFC 6531. */
  readonly smtpUtf8: boolean;
  /** RFC 4954 5: who the client says sent it first, '' for <>; read and not believed. */
  readonly auth: string | undefined;
}

export interface RcptArguments {
  readonly path: SmtpPath;
}

/** More parameters than any extension of ours has. */
const parametersMax = 16;
const parameter = /([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u0080-\u{10ffff}]+))?(?: +|$)/uy;

function parseParameters(text: string, at: number): Map<string, string | undefined> | undefined {
  if (at >= text.length) return undefined;
  if (text[at] !== ' ') throw new SmtpSyntaxError('501 5.5.4', 'Unexpected text behind the address');
  const found = new Map<string, string | undefined>();
  let position = at;
  while (text[position] === ' ') position++;
  while (position < text.length) {
    parameter.lastIndex = position;
    const match = parameter.exec(text);
    if (match === null) throw new SmtpSyntaxError('501 5.5.4', 'Bad parameter syntax');
    const keyword = match[1]!.toUpperCase();
    if (found.has(keyword) || found.size >= parametersMax) {
      throw new SmtpSyntaxError('501 5.5.4', 'Parameter given twice, or too many');
    }
    found.set(keyword, match[2]);
    position += match[0].length;
  }
  return found;
}

function pathStart(argument: string, keyword: string): number {
  if (argument.slice(0, keyword.length).toUpperCase() !== keyword) {
    throw new SmtpSyntaxError('501 5.5.4', `Syntax: ${keyword}<address>`);
  }
  let position = keyword.length;
  // Not in the grammar, but common; nothing is ambiguous about it.
  while (argument[position] === ' ') position++;
  return position;
}

/** SIZE=n, up to what a number holds exactly; a larger one is as good as infinite. */
function parseSize(value: string | undefined): number {
  if (value === undefined || !/^[0-9]{1,20}$/.test(value)) throw new SmtpSyntaxError('501 5.5.4', 'Bad SIZE');
  return Math.min(Number(value), Number.MAX_SAFE_INTEGER);
}

function parseBody(value: string | undefined): BodyType {
  const type = value?.toUpperCase();
  if (type === '7BIT' || type === '8BITMIME' || type === 'BINARYMIME') return type;
  throw new SmtpSyntaxError('501 5.5.4', 'Unknown BODY');
}

/** What follows "MAIL ". Throws SmtpSyntaxError. */
export function parseMailArguments(argument: string): MailArguments {
  const path = parsePath(argument, pathStart(argument, 'FROM:'), { nullPath: true, postmaster: false });
  const parameters = parseParameters(argument, path.end);
  let size: number | undefined;
  let body: BodyType = '7BIT';
  let smtpUtf8 = false;
  let auth: string | undefined;
  for (const [keyword, value] of parameters ?? []) {
    if (keyword === 'SIZE') size = parseSize(value);
    else if (keyword === 'BODY') body = parseBody(value);
    else if (keyword === 'SMTPUTF8' && value === undefined) smtpUtf8 = true;
    else if (keyword === 'AUTH' && value !== undefined) auth = value;
    else throw new SmtpSyntaxError('555 5.5.4', 'Parameter not known');
  }
  return { path, size, body, smtpUtf8, auth };
}

/** What follows "RCPT ". Throws SmtpSyntaxError. */
export function parseRcptArguments(argument: string): RcptArguments {
  const path = parsePath(argument, pathStart(argument, 'TO:'), { nullPath: false, postmaster: true });
  if (parseParameters(argument, path.end) !== undefined) {
    throw new SmtpSyntaxError('555 5.5.4', 'Parameter not known');
  }
  return { path };
}
