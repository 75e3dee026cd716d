// HELP (RFC 5321 4.1.1.8).

import { formatReplyLines } from '../../../wire/smtp/reply.ts';
import { anyState, type SmtpCommand } from '../command.ts';

export const helpCommand: SmtpCommand = {
  verb: 'HELP',
  states: anyState,
  argument: 'any',
  idle: true,
  rfc: 'RFC 5321 4.1.1.8',
  handle(session) {
    const verbs = [...session.commands.keys()].join(' ');
    return formatReplyLines('214 2.0.0', [`Commands: ${verbs}`, 'See RFC 5321']);
  },
};
