// NOOP, RSET and QUIT (RFC 5321 4.1.1.9, 4.1.1.5, 4.1.1.10).

import { anyState, type SmtpCommand } from '../command.ts';

export const noopCommand: SmtpCommand = {
  verb: 'NOOP',
  states: anyState,
  argument: 'any',
  idle: true,
  rfc: 'RFC 5321 4.1.1.9',
  handle: () => '250 2.0.0 OK\r\n',
};

export const rsetCommand: SmtpCommand = {
  verb: 'RSET',
  states: anyState,
  argument: 'none',
  idle: true,
  rfc: 'RFC 5321 4.1.1.5',
  handle(session) {
    session.endTransaction();
    return '250 2.0.0 OK\r\n';
  },
};

export const quitCommand: SmtpCommand = {
  verb: 'QUIT',
  states: anyState,
  argument: 'none',
  idle: false,
  rfc: 'RFC 5321 4.1.1.10',
  handle(session) {
    session.finished = true;
    return `221 2.0.0 ${session.dependencies.hostname} Bye\r\n`;
  },
};
