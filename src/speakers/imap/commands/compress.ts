// COMPRESS (RFC 4978). From the end of the tagged answer on both directions are deflated.

import type { CompressCommand } from '../../../wire/imap/command.ts';
import { bad, no, ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

export function compress(session: ImapSession, command: CompressCommand): Reply {
  if (command.mechanism !== 'DEFLATE') return bad('Unknown compression mechanism');
  // Our TLS never compresses, so only COMPRESS itself may have come before.
  if (session.compressed) return no('DEFLATE is active already', 'COMPRESSIONACTIVE');
  return {
    ...ok('DEFLATE is active'),
    async afterwards() {
      session.startCompression();
    },
  };
}
