// The IMAP transcripts and model tests while the accounts are handed over at random moments, planned and because their
// host died: no client can tell (ARCHITECTURE 4). SESSION_SEED repeats the moments.

import { runTranscripts } from './transcripts.ts';

await runTranscripts('moving');
