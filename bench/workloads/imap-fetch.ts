// FETCH of a whole mailbox of 10,000 mixed messages: flags and sizes, envelopes and structures (first and warm), all bodies.

import { fillMailbox, milliseconds, openMailbox, repeated, timed } from '../mailbox.ts';
import type { Workload } from './workload.ts';

const mailboxMessages = 10_000;

export const imapFetch: Workload = async (target, { scale }) => {
  const count = Math.ceil(mailboxMessages * scale);
  await fillMailbox(target, { user: 'fetch', count, seed: 1000 });
  const client = await openMailbox(target, 'fetch');
  const structures = 'FETCH 1:* (ENVELOPE BODYSTRUCTURE)';
  const first = await timed(client, structures);
  const warm = await repeated(client, structures, { times: 5 });
  const flags = await repeated(client, 'FETCH 1:* (FLAGS UID RFC822.SIZE)', { times: 9 });
  const fields = await repeated(client, 'FETCH 1:* BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)]', {
    times: 5,
  });
  const headers = await repeated(client, 'FETCH 1:* BODY.PEEK[HEADER]', { times: 3 });
  await timed(client, 'FETCH 1:* BODY.PEEK[]');
  const bodies = await repeated(client, 'FETCH 1:* BODY.PEEK[]', { times: 3 });
  client.end();
  const of = `of ${count}`;
  return [
    milliseconds(`imap FETCH (FLAGS UID RFC822.SIZE) ${of}`, flags.ms),
    milliseconds(`imap FETCH (ENVELOPE BODYSTRUCTURE) ${of}, first`, first.ms),
    milliseconds(`imap FETCH (ENVELOPE BODYSTRUCTURE) ${of}, warm`, warm.ms),
    milliseconds(`imap FETCH BODY.PEEK[HEADER.FIELDS (…)] ${of}`, fields.ms),
    milliseconds(`imap FETCH BODY.PEEK[HEADER] ${of}`, headers.ms),
    {
      name: `imap FETCH BODY.PEEK[] ${of}, warm`,
      value: bodies.bytes / bodies.ms / 1000,
      unit: 'MB/s',
      better: 'higher',
    },
  ];
};
