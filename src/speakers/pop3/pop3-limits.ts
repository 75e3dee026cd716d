// The limits of a POP3 session, each with its reason (STYLE 7). Owns no state.

export interface Pop3Limits {
  /** Until the login: a stranger may not hold a connection for long. */
  readonly loginTimeoutMs: number;
  /** RFC 1939 section 3: at least 10 minutes. */
  readonly idleTimeoutMs: number;
  /** Failed logins on one connection; the directory throttles across connections. */
  readonly loginAttemptsMax: number;
  /** After so many bad commands in a row it is no POP3 client, and is sent away. */
  readonly badCommandsMax: number;
  /** Between two logins of one account (RFC 2449 6.5 LOGIN-DELAY); 0: none. */
  readonly loginDelaySeconds: number;
  /** Messages read ahead while a client drains its maildrop: what a session may hold in memory. */
  readonly readAheadBytes: number;
  /** A piece of a message that is larger than what is read ahead. */
  readonly pieceBytes: number;
}

export const pop3LimitsDefault: Pop3Limits = {
  loginTimeoutMs: 60_000,
  idleTimeoutMs: 10 * 60_000,
  loginAttemptsMax: 3,
  badCommandsMax: 20,
  loginDelaySeconds: 0,
  readAheadBytes: 1024 * 1024,
  pieceBytes: 256 * 1024,
};
