// A command that is not what the grammar allows. `code` is the reply the grammar calls for (RFC 5321 4.2.4); the text
// never repeats what the client sent.

export type SyntaxErrorCode =
  | '500 5.5.2'
  | '501 5.5.4'
  | '501 5.1.3'
  | '501 5.1.7'
  | '504 5.5.4'
  | '555 5.5.4';

export class SmtpSyntaxError extends Error {
  readonly code: SyntaxErrorCode;

  constructor(code: SyntaxErrorCode, message: string) {
    super(message);
    this.name = 'SmtpSyntaxError';
    this.code = code;
  }
}
