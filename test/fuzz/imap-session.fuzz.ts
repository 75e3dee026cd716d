// Whole IMAP sessions over real accounts: whatever a client sends, no bug shows (what is thrown is a closed
// connection), every answer is in the grammar, and each command gets one tagged answer at the most.

import assert from 'node:assert/strict';
import { ConnectionClosed } from '../../src/speakers/kit/connection.ts';
import { imapTranscripts } from '../imap-command-seeds.ts';
import { readResponses } from '../imap-response.ts';
import { type Harness, openHarness, password } from '../sessions/harness.ts';
import { mail } from '../sessions/imap-client.ts';
import { imapFor } from '../sessions/imap-server.ts';
import { ScriptedConnection } from '../sessions/scripted-connection.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const message = mail('seed');
const begin =
  `b1 LOGIN alice@example.test "${password}"\r\n` +
  // What the inputs before left in INBOX goes, lest searches grow without end.
  'e1 SELECT INBOX\r\ne2 UID STORE 1:* +FLAGS.SILENT (\\Deleted)\r\ne3 CLOSE\r\n' +
  `b2 APPEND INBOX {${message.length}+}\r\n${message}\r\nb3 SELECT INBOX\r\n`;

/** Made at the first run, kept for all: what earlier inputs left behind is part of the fun. */
let harness: Promise<Harness> | undefined;
let sessions = 0;

export const target: FuzzTarget = {
  name: 'imap-session',
  seeds: () => imapTranscripts.map((transcript) => Buffer.from(transcript, 'latin1')),
  async run(input) {
    harness ??= openHarness();
    const protocol = imapFor(await harness, { limits: { appendBytesMax: 5000, badCommandsMax: 50 } });
    // NUL would be in literals, where RFC 9051 has none: messages go out as they came all the same.
    const safe = Buffer.from(input.map((octet) => (octet === 0 ? 0x78 : octet)));
    sessions++;
    const connection = new ScriptedConnection(`f${sessions}`, Buffer.concat([Buffer.from(begin), safe]));
    try {
      await protocol.run(connection);
    } catch (error) {
      if (!(error instanceof ConnectionClosed)) throw error;
    }
    const output = connection.output;
    assert(!output.includes('[SERVERBUG]'), output.toString('latin1'));
    // The strict reader refuses 8-bit octets in quoted strings, which clients with UTF-8 enabled get, and takes
    // a tag like `BODY[` for the name of an item.
    if (!/enable|compress|^b\w+(?:\.size)?\[/im.test(safe.toString('latin1'))) readResponses(output);
  },
};
