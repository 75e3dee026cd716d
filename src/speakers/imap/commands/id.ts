// ID (RFC 2971): who we are. What clients say of themselves goes to the log at debug level.

import type { IdCommand } from '../../../wire/imap/command.ts';
import { ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

const done = ok('ID completed');

export function id(session: ImapSession, command: IdCommand): Reply {
  const { connection, environment } = session;
  // To strangers the name only: a version helps those who look for holes.
  const version = session.state === 'notAuthenticated' ? '' : ` "version" "${environment.version}"`;
  connection.write(`* ID ("name" "Rookery"${version})\r\n`);
  if (command.fields !== undefined && connection.log.isLevelEnabled('debug')) {
    connection.log.debug({ client: Object.fromEntries(command.fields) }, 'client identified itself');
  }
  return done;
}
