// The limits of an SMTP, submission or LMTP session, each with its reason. All can be set by an operator.

export interface SmtpLimits {
  /** RFC 1870 SIZE. Large enough for what people send, small enough to hold in memory. */
  readonly messageBytesMax: number;
  /** RFC 5321 4.5.3.1.8 asks for at least 100. */
  readonly recipientsMax: number;
  /** Messages of one connection: a peer that needs more connects again and is counted again. */
  readonly messagesMax: number;
  /** Replies of 4xx and 5xx before the connection ends: guessing addresses shall cost something. */
  readonly errorsMax: number;
  /** Commands in a row that move nothing on (NOOP, RSET, VRFY, HELP, EHLO). */
  readonly idleCommandsMax: number;
  /** RFC 5321 4.5.3.2.7 asks for five minutes. */
  readonly idleTimeoutMs: number;
  /** Between two chunks of a message; RFC 5321 4.5.3.2.5 asks senders for three minutes. */
  readonly dataTimeoutMs: number;
  /**
   * Beyond dataTimeoutMs a message must have come at this rate: a byte now and then would hold memory that others wait
   * for. The slowest modem is faster.
   */
  readonly dataBytesPerSecondMin: number;
  /** Where there is AUTH: a client that has not used it by then is sent away, so that strangers hold no connections. */
  readonly loginTimeoutMs: number;
  /** How long a message may wait for its share of memory before it is deferred; senders wait ten minutes. */
  readonly memoryTimeoutMs: number;
  /** Messages a minute from one client (an IPv4 address, an IPv6 /64); undefined: as many as it likes. */
  readonly messagesPerMinuteMax: number | undefined;
  /** Connections a minute from one client. */
  readonly connectionsPerMinuteMax: number | undefined;
}

export const smtpLimitsDefault: SmtpLimits = {
  messageBytesMax: 50 * 1024 * 1024,
  recipientsMax: 1_000,
  messagesMax: 10_000,
  errorsMax: 20,
  idleCommandsMax: 100,
  idleTimeoutMs: 300_000,
  dataTimeoutMs: 180_000,
  dataBytesPerSecondMin: 500,
  loginTimeoutMs: 60_000,
  memoryTimeoutMs: 30_000,
  messagesPerMinuteMax: undefined,
  connectionsPerMinuteMax: undefined,
};

/** From a trusted relay on this machine or network: long connections with many messages are the point. */
export const lmtpLimitsDefault: SmtpLimits = {
  ...smtpLimitsDefault,
  messagesMax: Number.MAX_SAFE_INTEGER,
  errorsMax: 1_000,
};
