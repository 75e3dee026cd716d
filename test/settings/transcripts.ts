// Registers every IMAP transcript and model test with the test runner once more, in the setting that the driver chose.

import { readdirSync } from 'node:fs';
import type { Setting } from '../sessions/account-hosting.ts';

const sessions = new URL('../sessions/', import.meta.url);

/** Call it before anything else of the process reads the setting. */
export async function runTranscripts(setting: Setting): Promise<void> {
  process.env.SESSION_SETTING = setting;
  for (const file of readdirSync(sessions).sort()) {
    if (/^imap-.*\.test\.ts$/.test(file)) await import(new URL(file, sessions).href);
  }
  const { settingSeed } = await import('../sessions/account-hosting.ts');
  console.log(`# the accounts are ${setting}, SESSION_SEED=${settingSeed}`);
}
