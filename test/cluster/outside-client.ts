// A user and a stranger outside of the site, as a program for another network than the test's: it sends as both, reads as
// the user, says in one line of JSON what it found, and stays logged in until its input ends.
//
//   node outside-client.ts '{"mx": "host", "submissions": "host", "imaps": "host", "user": …, "password": …, "to": …}'

import { once } from 'node:events';
import { ImapFlow } from 'imapflow';
import { createTransport } from 'nodemailer';

export interface OutsideOrders {
  readonly mx: string;
  readonly submissions: string;
  readonly imaps: string;
  /** Who logs in, and gets the stranger's mail. */
  readonly user: string;
  readonly password: string;
  /** Who gets the user's. */
  readonly to: string;
}

const { mx, submissions, imaps, user, password, to } = JSON.parse(process.argv[2]!) as OutsideOrders;
const tls = { rejectUnauthorized: false };

const stranger = createTransport({ host: mx, port: 25, tls });
await stranger.sendMail({
  from: 'stranger@example.org',
  to: user,
  subject: 'from a stranger',
  text: 'hello',
});
stranger.close();

const auth = { user, pass: password };
const submitting = createTransport({ host: submissions, port: 465, secure: true, tls, auth });
await submitting.sendMail({ from: user, to, subject: 'from outside', text: 'hello' });
submitting.close();

const reading = new ImapFlow({ host: imaps, port: 993, secure: true, tls, auth, logger: false });
await reading.connect();
await reading.mailboxOpen('INBOX');
const subjects: string[] = [];
for await (const { envelope } of reading.fetch('1:*', { envelope: true }))
  subjects.push(envelope?.subject ?? '');
process.stdout.write(`${JSON.stringify(subjects.sort())}\n`);
process.stdin.resume();
await once(process.stdin, 'end');
await reading.logout();
