// The end of a message, whether it came by DATA or BDAT: hands it to intake and makes the reply, or for LMTP one reply
// for each recipient (RFC 2033 4.2). Nothing is answered 250 before intake said it is durable.

import { type DeliveryOutcome, worstOutcome } from '../../transport/delivery/delivery-outcome.ts';
import type { Submission } from '../../transport/intake.ts';
import { MessageReceiver } from './message-receiver.ts';
import { replyForOutcome } from './outcome-replies.ts';
import { maySendAs } from './sending-addresses.ts';
import type { SmtpSession } from './smtp-session.ts';

export function openReceiver({ dependencies, transaction }: SmtpSession): MessageReceiver {
  const { budget, limits } = dependencies;
  return new MessageReceiver(budget, {
    bytesMax: limits.messageBytesMax,
    timeoutMs: limits.memoryTimeoutMs,
    expectedBytes: transaction?.mail.size,
  });
}

/** One refusal for all recipients, as often as the profile answers. */
export function refuseMessage(session: SmtpSession, reply: string): string {
  const { profile } = session.dependencies;
  return profile.answersEachRecipient
    ? reply.repeat(Math.max(session.transaction?.recipients.length ?? 0, 1))
    : reply;
}

/** `isCrlf`: no line of the message ends with an LF alone. */
export async function finishMessage(
  session: SmtpSession,
  receiver: MessageReceiver,
  { isCrlf }: { readonly isCrlf: boolean },
): Promise<string> {
  if (receiver.failure === 'tooLarge') return refuseMessage(session, '552 5.3.4 Message is too large\r\n');
  if (receiver.failure === 'noMemory') {
    return refuseMessage(session, '452 4.3.1 Too busy just now, try again later\r\n');
  }
  const { connection, dependencies } = session;
  const { profile, intake, metrics } = dependencies;
  const { mail, recipients } = session.transaction!;
  const traceId = `${connection.traceId}.${(session.messages++).toString(36)}`;
  const outcomes = await intake.accept({
    traceId,
    log: connection.log,
    origin: session.origin(),
    sender: mail.path.text,
    recipients,
    pieces: receiver.takePieces(),
    length: receiver.length,
    isCrlf,
    submission: profile.completesMessages ? submissionOf(session) : undefined,
    oneAnswer: !profile.answersEachRecipient,
  });
  metrics?.received(profile.name, receiver.length, outcomes);
  const sentReply = `250 2.0.0 OK ${traceId}\r\n`;
  logMessage(session, traceId, receiver.length, outcomes);
  if (!profile.answersEachRecipient) return replyForOutcome(worstOutcome(outcomes), sentReply);
  let replies = '';
  for (const outcome of outcomes) replies += replyForOutcome(outcome, sentReply);
  return replies;
}

/** The profile saw to it that there is a user. */
function submissionOf({ dependencies, principal }: SmtpSession): Submission {
  const { accountId, address } = principal!;
  return {
    address,
    maySendAs: dependencies.checksAuthor ? (author) => maySendAs(dependencies, accountId, author) : undefined,
  };
}

function logMessage(
  session: SmtpSession,
  message: string,
  bytes: number,
  outcomes: readonly DeliveryOutcome[],
): void {
  const { log, remoteAddress } = session.connection;
  if (!log.isLevelEnabled('info')) return;
  const { mail, recipients } = session.transaction!;
  const to = recipients.map(({ address }, index) => ({ address, ...outcomes[index] }));
  log.info({ message, remoteAddress, from: mail.path.text, to, bytes }, 'message received');
}
