// RCPT: one recipient, looked up at once, so that what cannot be delivered is refused here (RFC 5321 4.1.1.3).

import { parseRcptArguments } from '../../../wire/smtp/envelope-arguments.ts';
import type { SmtpCommand } from '../command.ts';
import { routeRefusalReplies, tooManyRecipientsReply } from '../outcome-replies.ts';
import type { SmtpSession } from '../smtp-session.ts';

async function addRecipient(session: SmtpSession, address: string): Promise<string> {
  const route = await session.dependencies.routing.route(address);
  if (route.outcome === 'refused') return routeRefusalReplies[route.reason];
  session.transaction!.recipients.push({ address, targets: route.targets });
  return '250 2.1.5 Recipient OK\r\n';
}

export const rcptCommand: SmtpCommand = {
  verb: 'RCPT',
  states: ['mail', 'rcpt'],
  argument: 'any',
  idle: false,
  rfc: 'RFC 5321 4.1.1.3',
  handle(session, argument) {
    const { path } = parseRcptArguments(argument);
    const transaction = session.transaction!;
    if (path.international && !transaction.mail.smtpUtf8) return '553 5.6.7 The address needs SMTPUTF8\r\n';
    if (transaction.receiver !== undefined) return '503 5.5.1 Not between chunks\r\n';
    if (transaction.recipients.length >= session.dependencies.limits.recipientsMax) {
      return tooManyRecipientsReply;
    }
    return addRecipient(session, path.text);
  },
};
