// The closed list of refusals. A refusal is an expected answer to what somebody asked for ("no such mailbox"),
// not a fault of ours; it carries a kind and no protocol words. Each speaker has one table that maps every
// kind to its protocol's answer (STYLE 8), so a new kind does not compile until every speaker has an answer.

export const mailErrorKinds = [
  'noSuchMailbox',
  'mailboxExists',
  'mailboxNotSelectable',
  'invalidMailboxName',
  'noSuchMessage',
  'noSuchAccount',
  'accountDisabled',
  'permissionDenied',
  'authenticationFailed',
  'overQuota',
  'messageTooLarge',
  'tooManyKeywords',
  'limitReached',
  'conflict',
  'invalidArgument',
  'inUse',
  'unavailable',
  'storageFull',
  'notSupported',
] as const;

export type MailErrorKind = (typeof mailErrorKinds)[number];

/** An expected refusal. `message` is for people and logs and never holds a secret or message content. */
export class MailError extends Error {
  readonly kind: MailErrorKind;

  constructor(kind: MailErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'MailError';
    this.kind = kind;
  }
}

/** Narrows an unknown thrown value to a refusal, optionally of one kind. */
export function isMailError(error: unknown, kind?: MailErrorKind): error is MailError {
  return error instanceof MailError && (kind === undefined || error.kind === kind);
}

/** What the promise gives; undefined when it is refused with this kind. */
export async function undefinedWhen<T>(kind: MailErrorKind, promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (isMailError(error, kind)) return undefined;
    throw error;
  }
}
