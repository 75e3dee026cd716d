// CANCELUPDATE (RFC 5267 4.3.5).

import type { CancelUpdateCommand } from '../../../wire/imap/search-command.ts';
import { bad, ok, type Reply } from '../reply.ts';
import { isUpdateTag, stopUpdates } from '../search-updates.ts';
import type { ImapSession } from '../session.ts';

const done = ok('No further updates');

export function cancelUpdate(session: ImapSession, command: CancelUpdateCommand): Reply {
  if (!command.tags.every((tag) => isUpdateTag(session, tag))) return bad('No updates for this tag');
  for (const tag of command.tags) stopUpdates(session, tag);
  return done;
}
