// The IMAP transcripts and model tests with the accounts hosted on another node, across a link: no client can tell
// (ARCHITECTURE 4).

import { runTranscripts } from './transcripts.ts';

await runTranscripts('remote');
