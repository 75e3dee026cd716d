// What becomes of an error on its way over a link: refusals and faults arrive as what they were, without their causes,
// which stay in the log of the node where they happened; everything else is a bug there and a fault here.

import { Fault } from '../../base/fault.ts';
import { isMailError, MailError, type MailErrorKind, mailErrorKinds } from '../../mail/mail-error.ts';
import { LinkProtocolError } from './frame.ts';

/** The peer could not be reached, or was lost before it answered: nobody knows whether it did what it was asked. */
export class LinkFailure extends Fault {
  constructor(message: string, cause?: unknown) {
    super(message, { temporary: true, cause });
    this.name = 'LinkFailure';
  }
}

/** The node asked does not host the account (any more): whoever asked looks for its place again. */
export class NotHostedHere extends MailError {
  constructor(message = 'the account is not hosted on this node') {
    super('unavailable', message);
    this.name = 'NotHostedHere';
  }
}

/** What is said on a stream. On the wire: an array [status, …], statuses are never used for something else. */
export type Answer =
  | { readonly status: 'value'; readonly value: unknown }
  | { readonly status: 'failed'; readonly error: Error };

const statuses = { value: 0, refused: 1, fault: 2, elsewhere: 3 } as const;

/** Longer texts are cut: they are for people. */
const textLengthMax = 1000;

export function answerOf(value: unknown): unknown {
  return [statuses.value, value];
}

export function answerOfError(error: unknown): unknown {
  const text = (error instanceof Error ? error.message : 'unknown').slice(0, textLengthMax);
  if (error instanceof NotHostedHere) return [statuses.elsewhere, text];
  if (isMailError(error)) return [statuses.refused, error.kind, text];
  if (error instanceof Fault) return [statuses.fault, error.temporary, text];
  return [statuses.fault, false, 'an internal error of the node asked'];
}

/** Throws LinkProtocolError. */
export function parseAnswer(wire: unknown): Answer {
  if (!Array.isArray(wire)) throw new LinkProtocolError('an answer that is none');
  const [status, first, second] = wire as unknown[];
  switch (status) {
    case statuses.value:
      return { status: 'value', value: first };
    case statuses.refused:
      return { status: 'failed', error: new MailError(kindOf(first), textOf(second)) };
    case statuses.fault:
      return { status: 'failed', error: new Fault(textOf(second), { temporary: first === true }) };
    case statuses.elsewhere:
      return { status: 'failed', error: new NotHostedHere(textOf(first)) };
    default:
      throw new LinkProtocolError('an answer of no known status');
  }
}

/** What else there may be has no text, or throws when it is asked for one. */
function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new LinkProtocolError('a failure without its text');
  return value.slice(0, textLengthMax);
}

/** A newer peer may know kinds that we do not: to us those are passing troubles. */
function kindOf(kind: unknown): MailErrorKind {
  return mailErrorKinds.find((known) => known === kind) ?? 'unavailable';
}
