// MAIL: begins a transaction (RFC 5321 4.1.1.2; SIZE RFC 1870, BODY RFC 6152 and 3030, SMTPUTF8 RFC 6531).

import { parseAddress } from '../../../mail/address.ts';
import { isMailError } from '../../../mail/mail-error.ts';
import { type MailArguments, parseMailArguments } from '../../../wire/smtp/envelope-arguments.ts';
import { hasEndedLogin } from '../../kit/has-ended-login.ts';
import type { SmtpCommand } from '../command.ts';
import { maySendAs } from '../sending-addresses.ts';
import type { SmtpSession } from '../smtp-session.ts';

function begin(session: SmtpSession, mail: MailArguments): string {
  session.transaction = { mail, recipients: [], receiver: undefined, pace: undefined };
  return '250 2.1.0 Sender OK\r\n';
}

/** What forbids a transaction whoever sends it. */
function refusal(session: SmtpSession, mail: MailArguments): string | undefined {
  const { limits, messageRates } = session.dependencies;
  if (mail.size !== undefined && mail.size > limits.messageBytesMax) {
    return '552 5.3.4 Message is larger than SIZE allows\r\n';
  }
  // RFC 6531 3.4.
  if (mail.path.international && !mail.smtpUtf8) return '553 5.6.7 The address needs SMTPUTF8\r\n';
  if (session.messages >= limits.messagesMax) {
    return session.endWith('Enough messages for one connection, connect again');
  }
  const { messagesPerMinuteMax } = limits;
  const { remoteAddress } = session.connection;
  if (messagesPerMinuteMax !== undefined && !messageRates.take(remoteAddress, messagesPerMinuteMax)) {
    return '450 4.7.1 Too many messages a minute from you, try again later\r\n';
  }
  return undefined;
}

const loginEnded = 'Your login has ended, connect and log in again';

/** RFC 6409 6.1: a user sends as an address of theirs. The null sender is for receipts and bounces. */
async function beginAsUser(session: SmtpSession, mail: MailArguments): Promise<string> {
  const { principal, dependencies } = session;
  if (principal === undefined) return '530 5.7.0 Authentication required\r\n';
  const isNull = mail.path.text === '';
  const address = parseAddress(isNull ? principal.address : mail.path.text);
  if (address === undefined) return '501 5.1.7 Bad sender address syntax\r\n';
  try {
    // Nobody tells SMTP sessions: one that never says QUIT would send for ever.
    if (await hasEndedLogin(dependencies.directory, 'smtp', principal)) return session.endWith(loginEnded);
    // Asked of the null sender too: in the outer zone only a question tells whether the grant has ended.
    const isOwn = await maySendAs(dependencies, principal.accountId, address);
    return isOwn || isNull ? begin(session, mail) : '553 5.7.1 Not an address of yours\r\n';
  } catch (error) {
    // In the outer zone: the grant that the question is asked with has ended.
    if (isMailError(error, 'authenticationFailed')) return session.endWith(loginEnded);
    throw error;
  }
}

export const mailCommand: SmtpCommand = {
  verb: 'MAIL',
  states: ['greeted'],
  argument: 'any',
  idle: false,
  rfc: 'RFC 5321 4.1.1.2',
  handle(session, argument) {
    const mail = parseMailArguments(argument);
    const refused = refusal(session, mail);
    if (refused !== undefined) return refused;
    return session.dependencies.profile.authenticates ? beginAsUser(session, mail) : begin(session, mail);
  },
};
