// Paths, the addresses of MAIL and RCPT (RFC 5321 4.1.2, RFC 6531 3.3). A source route is read and dropped, as
// RFC 5321 appendix C asks. Linear in its length; refuses by SmtpSyntaxError.

import { SmtpSyntaxError } from './smtp-syntax-error.ts';

/** RFC 5321 4.5.3.1.1 asks for 64; encoded bounce addresses are longer in the wild. */
export const localPartBytesMax = 255;
/** RFC 5321 4.5.3.1.2, and what DNS has room for. */
export const domainBytesMax = 255;

export interface SmtpPath {
  /** Without quoting; '' in the null path. */
  readonly localPart: string;
  /** As written: a name, or an address literal with its brackets. '' in the null path and in <postmaster>. */
  readonly domain: string;
  /** The mailbox as it is written in headers: quoted when needed; '' is the null path. */
  readonly text: string;
  /** True when it needs SMTPUTF8. */
  readonly international: boolean;
  /** Index behind the closing bracket. */
  readonly end: number;
}

const atom = "[A-Za-z0-9!#$%&'*+\\-/=?^_`{|}~\\u0080-\\u{10ffff}]+";
const dotString = new RegExp(`${atom}(?:\\.${atom})*`, 'uy');
// RFC 5321 4.1.2: qtextSMTP and quoted-pairSMTP.
const quotedString = /"((?:[ !#-[\]-~\u0080-\u{10ffff}]|\\[ -~])*)"/uy;
const label =
  '[A-Za-z0-9_\\u0080-\\u{10ffff}](?:[A-Za-z0-9_\\-\\u0080-\\u{10ffff}]*[A-Za-z0-9_\\u0080-\\u{10ffff}])?';
const domainName = new RegExp(`${label}(?:\\.${label})*\\.?`, 'uy');
const addressLiteral = /\[[A-Za-z0-9:.-]+\]/y;
// Most paths: one look at the whole thing.
const plainPath = /<([A-Za-z0-9_+\-=.]+)@([A-Za-z0-9.-]+)>/y;
const nonAscii = /[^\x00-\x7f]/;

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}

/** Skips "@a.example,@b.example:"; returns where the mailbox starts. */
function skipRoute(text: string, at: number): number {
  if (text[at] !== '@') return at;
  let position = at;
  for (;;) {
    const found = match(domainName, text, position + 1) ?? match(addressLiteral, text, position + 1);
    if (found === undefined) throw badAddress();
    position += 1 + found[0].length;
    if (text[position] === ':') return position + 1;
    if (text[position] !== ',' || text[position + 1] !== '@') throw badAddress();
    position++;
  }
}

function badAddress(): SmtpSyntaxError {
  return new SmtpSyntaxError('501 5.1.3', 'Bad address syntax');
}

/**
 * Reads `<…>` at `at`. The null path `<>` is allowed when `nullAllowed`, a local part without domain only when it is
 * postmaster and `postmasterAllowed` (RFC 5321 4.5.1).
 */
export function parsePath(
  text: string,
  at: number,
  allow: { readonly nullPath: boolean; readonly postmaster: boolean },
): SmtpPath {
  const plain = match(plainPath, text, at);
  if (plain !== undefined && isPlain(plain[1]!, plain[2]!)) {
    const localPart = plain[1]!;
    const domain = plain[2]!;
    return {
      localPart,
      domain,
      text: `${localPart}@${domain}`,
      international: false,
      end: at + plain[0].length,
    };
  }
  if (text[at] !== '<') throw badAddress();
  if (text[at + 1] === '>') {
    if (!allow.nullPath) throw badAddress();
    return { localPart: '', domain: '', text: '', international: false, end: at + 2 };
  }
  return parseMailbox(text, skipRoute(text, at + 1), allow.postmaster);
}

/** The quick pattern lets through some dots that are not right; those take the exact way. */
function isPlain(localPart: string, domain: string): boolean {
  if (localPart.length > localPartBytesMax || domain.length > domainBytesMax) return false;
  if (localPart.startsWith('.') || localPart.endsWith('.') || localPart.includes('..')) return false;
  if (domain.includes('..') || domain.includes('.-') || domain.includes('-.')) return false;
  return !/^[.-]|[.-]$/.test(domain);
}

function parseMailbox(text: string, at: number, postmasterAllowed: boolean): SmtpPath {
  const quoted = match(quotedString, text, at);
  const written = quoted?.[0] ?? match(dotString, text, at)?.[0];
  if (written === undefined) throw badAddress();
  const localPart = quoted === undefined ? written : quoted[1]!.replace(/\\(.)/gu, '$1');
  let position = at + written.length;
  let domain = '';
  if (text[position] === '@') {
    domain = (match(domainName, text, position + 1) ?? match(addressLiteral, text, position + 1))?.[0] ?? '';
    if (domain === '') throw badAddress();
    position += 1 + domain.length;
  } else if (!postmasterAllowed || localPart.toLowerCase() !== 'postmaster') {
    throw badAddress();
  }
  if (text[position] !== '>') throw badAddress();
  if (Buffer.byteLength(localPart) > localPartBytesMax || Buffer.byteLength(domain) > domainBytesMax) {
    throw badAddress();
  }
  const plain = domain.endsWith('.') ? domain.slice(0, -1) : domain;
  const address = plain === '' ? quoteLocalPart(localPart) : `${quoteLocalPart(localPart)}@${plain}`;
  return {
    localPart,
    domain: plain,
    text: address,
    international: nonAscii.test(address),
    end: position + 1,
  };
}

/** The local part as it is written in an address: quoted when it is no dot-string. */
export function quoteLocalPart(localPart: string): string {
  if (match(dotString, localPart, 0)?.[0] === localPart) return localPart;
  return `"${localPart.replace(/["\\]/g, '\\$&')}"`;
}
