// The tables from what transport says to what SMTP says (STYLE 8). A new reason does not compile until it has a reply.

import type {
  BounceReason,
  DeferralReason,
  DeliveryOutcome,
} from '../../transport/delivery/delivery-outcome.ts';
import type { RouteRefusal } from '../../transport/routing.ts';

const deferralReplies: Readonly<Record<DeferralReason, string>> = {
  storageFull: '452 4.3.1 No room just now, try again later\r\n',
  unavailable: '451 4.3.0 Mailbox is not available just now, try again later\r\n',
  limitReached: '452 4.3.1 Too busy just now, try again later\r\n',
  inUse: '451 4.2.0 Mailbox is busy, try again later\r\n',
};

const bounceReplies: Readonly<Record<BounceReason, string>> = {
  overQuota: '552 5.2.2 Mailbox is full\r\n',
  noSuchAccount: '550 5.1.1 No such user here\r\n',
  accountDisabled: '550 5.2.1 Mailbox is disabled\r\n',
  messageTooLarge: '552 5.3.4 Message is too large\r\n',
  loop: '554 5.4.6 The message goes round in a loop\r\n',
  foreignAuthor: '550 5.7.1 From names no address of yours\r\n',
  foreignSender: '550 5.7.1 Sender names no address of yours\r\n',
  authorUnclear: '550 5.7.1 One From field is needed, and one Sender when it names several authors\r\n',
  refused: '550 5.7.1 Message refused\r\n',
};

/** The reply to a message for one outcome; `sentReply` when it was delivered. */
export function replyForOutcome(outcome: DeliveryOutcome, sentReply: string): string {
  switch (outcome.outcome) {
    case 'sent':
      return sentReply;
    case 'deferred':
      return deferralReplies[outcome.reason];
    case 'bounced':
      return bounceReplies[outcome.reason];
  }
}

/** RFC 5321 4.5.3.1.10. */
export const tooManyRecipientsReply = '452 4.5.3 Too many recipients, send the others separately\r\n';

/** The reply to RCPT for an address that leads nowhere. */
export const routeRefusalReplies: Readonly<Record<RouteRefusal, string>> = {
  unknownUser: '550 5.1.1 No such user here\r\n',
  disabled: '550 5.2.1 Mailbox is disabled\r\n',
  aliasLoop: '550 5.4.6 The address leads round in a loop\r\n',
  foreign: '550 5.7.1 Not one of our domains; relaying to other domains comes later\r\n',
  outside: '550 5.7.1 The address leads to another domain; relaying to other domains comes later\r\n',
  badAddress: '501 5.1.3 Bad address syntax\r\n',
};
