// The arguments of EHLO, HELO, LHLO, BDAT and AUTH.

import { SmtpSyntaxError } from './smtp-syntax-error.ts';

/**
 * The client's name for itself (RFC 5321 4.1.1.1). It goes into the Received header, so its characters are limited;
 * within them everything is taken, since real hosts call themselves many things that are no domain.
 */
export function parseHelloArgument(argument: string): string {
  if (!/^[A-Za-z0-9._:[\]\u0080-\u{10ffff}-]{1,255}$/u.test(argument)) {
    throw new SmtpSyntaxError('501 5.5.4', 'Say who you are: a domain name or an address in brackets');
  }
  return argument;
}

export interface BdatArguments {
  readonly bytes: number;
  readonly last: boolean;
}

/** RFC 3030 2: chunk-size [SP "LAST"]. */
export function parseBdatArguments(argument: string): BdatArguments {
  const match = /^([0-9]{1,15})( +LAST)?$/i.exec(argument);
  if (match === null) throw new SmtpSyntaxError('501 5.5.4', 'Syntax: BDAT size [LAST]');
  return { bytes: Number(match[1]), last: match[2] !== undefined };
}

export interface AuthArguments {
  readonly mechanism: string;
  readonly initialResponse: string | undefined;
}

/** RFC 4954 4: mechanism [SP initial-response]. */
export function parseAuthArguments(argument: string): AuthArguments {
  const match = /^([A-Za-z0-9_-]{1,20})(?: +([A-Za-z0-9+/=]+))?$/.exec(argument);
  if (match === null) throw new SmtpSyntaxError('501 5.5.4', 'Syntax: AUTH mechanism [initial-response]');
  return { mechanism: match[1]!.toUpperCase(), initialResponse: match[2] };
}
