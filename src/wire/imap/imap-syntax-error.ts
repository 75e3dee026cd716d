// The one error the IMAP parser throws: what the client sent is not a command. Not a fault and no bug: the
// session answers with `status`, `code` and the message, and goes on.

import type { ResponseCode } from './response-code.ts';

interface SyntaxErrorOptions {
  readonly tag?: string;
  readonly status?: 'BAD' | 'NO';
  readonly code?: ResponseCode;
  readonly clearsSaved?: boolean;
}

/** The message is for the client: printable ASCII without line ends, and repeats nothing of a secret. */
export class ImapSyntaxError extends Error {
  /** The command's tag; undefined when not even that could be read: an untagged BAD. */
  tag: string | undefined;
  /** NO for what is well-formed and cannot be served: a charset, an undecodable mailbox name. */
  readonly status: 'BAD' | 'NO';
  /** Response code without brackets, as `BADCHARSET (UTF-8 US-ASCII)`. */
  readonly code: ResponseCode | undefined;
  /** A search that was to be saved and is answered NO leaves nothing saved (RFC 5182 2.1). */
  readonly clearsSaved: boolean;

  constructor(message: string, options?: SyntaxErrorOptions) {
    super(message);
    this.name = 'ImapSyntaxError';
    this.tag = options?.tag;
    this.status = options?.status ?? 'BAD';
    this.code = options?.code;
    this.clearsSaved = options?.clearsSaved ?? false;
  }
}
