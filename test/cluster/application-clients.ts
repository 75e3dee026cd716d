// Real clients of the load, as applications have them: imapflow, which keeps a copy of INBOX (inbox-application.ts), and
// nodemailer, which submits mail. What they sent and were told is the ledger's, as with the raw clients.

import assert from 'node:assert/strict';
import { systemClock } from '../../src/base/clock.ts';
import { ServerGone } from '../faults/line-session.ts';
import { addressOf } from '../server-process.ts';
import { InboxApplication, newlyInstalled } from './inbox-application.ts';
import { makeMailer } from './library-sessions.ts';
import { onSessions, pauseMsMax, type Surroundings, type Watched } from './load-clients.ts';

interface SendFailure {
  readonly responseCode?: number;
  readonly response?: string;
}

/** Submits to all users in turn, over a connection that nodemailer keeps. */
export function submitAlways(load: Surroundings, users: readonly string[], sender: string): Promise<void> {
  const { ledger, random } = load;
  const from = addressOf(sender);
  return onSessions(load, `nodemailer of ${sender}`, async (node) => {
    // A message whose answer is lost may have been taken: here it is not sent a second time.
    const mailer = makeMailer(node, sender, { pool: true, maxConnections: 1, maxRequeues: 0 });
    try {
      while (!load.isStopping()) {
        const user = users[random.integer(users.length)]!;
        const { known, text } = ledger.make(user, random, { sender: 'nodemailer', from });
        const askedAt = systemClock.monotonic();
        try {
          // Ready-made: what it puts together itself it may encode, and the ledger counts bytes.
          await mailer.sendMail({ envelope: { from, to: addressOf(user) }, raw: text });
          known.isThere = true;
          load.worked(user, askedAt);
        } catch (error) {
          const { responseCode, response } = error as SendFailure;
          if (responseCode === undefined || responseCode === 421)
            throw new ServerGone('nodemailer', { cause: error });
          assert.ok(responseCode >= 400 && responseCode < 500, `submission → ${response}`);
          const what = `submission → ${response}`;
          load.troubled({ node: node.name, client: 'nodemailer', what, at: systemClock.monotonic() });
        }
        await systemClock.sleep(random.integer(pauseMsMax));
      }
    } finally {
      mailer.close();
    }
  });
}

/** Appends, flags, moves, expunges and reads with imapflow, and keeps its copy of INBOX exact all the while. */
export async function applyAlways(
  load: Surroundings,
  user: string,
  settled: () => Promise<void>,
): Promise<Watched> {
  const kept = newlyInstalled();
  let watched: Watched | undefined;
  await onSessions(load, `imapflow of ${user}`, async (node) => {
    const application = await InboxApplication.open({ load, node, user, kept });
    try {
      while (!(await application.synchronise())) if (load.isStopping()) return;
      while (!load.isStopping()) {
        await application.step();
        await systemClock.sleep(load.random.integer(pauseMsMax));
      }
      await settled();
      await application.catchUp();
      watched = { user, node, view: kept.copy.view };
    } finally {
      application.close();
    }
  });
  // Its session ended when the load did: a new one has nothing to prove.
  return watched ?? { user, node: load.chooseNode()!, view: [] };
}
