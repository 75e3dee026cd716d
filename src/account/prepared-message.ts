// A message made ready for storing, once, however many accounts it goes to: its bytes, their digest and the summary
// (what protocols ask for most, ready to send). Plain data, so that it crosses links.

import type { SentSizeDifference } from '../wire/pop3/sent-size.ts';

export interface PreparedMessage {
  /** The message as it is stored, byte for byte. */
  readonly bytes: Uint8Array;
  /** SHA-256 of bytes. */
  readonly digest: Uint8Array;
  /** Encoded summary, see summary.ts. */
  readonly summary: Uint8Array;
  /** Message-IDs of this message and those it refers to, normalised, at most a bounded number: for threading. */
  readonly messageIds: readonly string[];
  /** Base subject (RFC 5256 2.1), for threading. */
  readonly baseSubject: string;
  /** Undefined: POP3 sends it with the size it has. */
  readonly sentSize: SentSizeDifference | undefined;
  /** True: there is no NUL in the bytes. False: there may be, as nobody said so. */
  readonly isNulFree: boolean;
}
