// One engine, three profiles: mail from other servers, mail from our users, mail from a relay that is trusted.

export interface SmtpProfile {
  readonly name: 'mx' | 'submission' | 'lmtp';
  /** What the greeting and Received call it. */
  readonly protocolWord: 'ESMTP' | 'LMTP';
  /** AUTH is offered, and nothing is taken before it. */
  readonly authenticates: boolean;
  /** LMTP answers once for each recipient (RFC 2033 4.2). */
  readonly answersEachRecipient: boolean;
  /** Date, Message-ID (RFC 6409 8) and From are added when absent. */
  readonly completesMessages: boolean;
}

export const smtpProfiles = {
  mx: {
    name: 'mx',
    protocolWord: 'ESMTP',
    authenticates: false,
    answersEachRecipient: false,
    completesMessages: false,
  },
  submission: {
    name: 'submission',
    protocolWord: 'ESMTP',
    authenticates: true,
    answersEachRecipient: false,
    completesMessages: true,
  },
  lmtp: {
    name: 'lmtp',
    protocolWord: 'LMTP',
    authenticates: false,
    answersEachRecipient: true,
    completesMessages: false,
  },
} as const satisfies Record<SmtpProfile['name'], SmtpProfile>;
