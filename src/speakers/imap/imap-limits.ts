// The limits of an IMAP session, each with its reason (STYLE 7). Owns no state.

export interface ImapLimits {
  /** A command without its literals. RFC 7162 section 4 and RFC 9051 7.1 want 8 KB at least; long UID sets need more. */
  readonly lineBytesMax: number;
  /** All literals of a command that is not APPEND: they are held in memory while it runs. */
  readonly literalBytesMax: number;
  /** One message; told as APPENDLIMIT (RFC 7889). */
  readonly appendBytesMax: number;
  /** Messages of one APPEND (RFC 3502): they are committed together. */
  readonly appendMessagesMax: number;
  /** Messages that one command works on (RFC 9738), told as MESSAGELIMIT; undefined: as many as there are. */
  readonly messagesMax: number | undefined;
  /** After so many bad commands in a row it is no IMAP client, and is sent away. */
  readonly badCommandsMax: number;
  /** Failed logins on one connection; the directory throttles across connections. */
  readonly loginAttemptsMax: number;
  /** Until the login: a stranger may not hold a connection for long. */
  readonly loginTimeoutMs: number;
  /** RFC 9051 5.4: at least 30 minutes. */
  readonly idleTimeoutMs: number;
  /** The rest of a command that began: literals over slow lines still arrive steadily. */
  readonly commandTimeoutMs: number;
}

const minute = 60_000;

export const imapLimitsDefault: ImapLimits = {
  lineBytesMax: 65_536,
  literalBytesMax: 262_144,
  appendBytesMax: 50 * 1024 * 1024,
  appendMessagesMax: 100,
  messagesMax: undefined,
  badCommandsMax: 20,
  loginAttemptsMax: 3,
  loginTimeoutMs: minute,
  // A little above, so that a client that returns after exactly 30 minutes is still expected.
  idleTimeoutMs: 31 * minute,
  commandTimeoutMs: 5 * minute,
};
