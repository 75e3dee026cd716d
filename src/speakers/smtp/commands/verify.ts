// VRFY and EXPN: who has a mailbox here is told at RCPT to who sends mail, and to nobody else (RFC 5321 7.3).

import { anyState, type SmtpCommand } from '../command.ts';

export const vrfyCommand: SmtpCommand = {
  verb: 'VRFY',
  states: anyState,
  argument: 'any',
  idle: true,
  rfc: 'RFC 5321 3.5.3',
  handle(_session, argument) {
    if (argument === '') return '501 5.5.4 Syntax: VRFY address\r\n';
    return '252 2.5.2 Cannot verify, but will take mail and try\r\n';
  },
};

export const expnCommand: SmtpCommand = {
  verb: 'EXPN',
  states: anyState,
  argument: 'any',
  idle: true,
  rfc: 'RFC 5321 4.1.1.7',
  handle: () => '502 5.5.1 Lists are not expanded\r\n',
};
