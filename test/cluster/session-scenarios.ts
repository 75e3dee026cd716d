// What sessions are in the middle of when the host of their account goes, and how each shows afterwards that it went on: on
// the same connection, with an exact view, and with what was on its way there once. Raw sessions; those of libraries are in
// application-scenarios.ts.

import assert from 'node:assert/strict';
import { LineSession } from '../faults/line-session.ts';
import { addressOf, passwordOf } from '../server-process.ts';
import { applying, sending } from './application-scenarios.ts';
import {
  beginDelivery,
  deliver,
  type Entrance,
  fetchSeen,
  fill,
  freshSeen,
  makeMail,
  openInbox,
  openLmtp,
  openSmtp,
  type Place,
  subjectsOf,
} from './client-sessions.ts';

/** Brings a session to the middle of something; the result goes on, after the fault. */
type Scenario = (place: Place) => Promise<() => Promise<void>>;

export const scenarios: Readonly<Record<string, Scenario>> = {
  IDLE: idling,
  FETCH: fetching,
  STORE: storing,
  'many-STOREs': storingMany,
  APPEND: appending,
  EXPUNGE: expunging,
  POP3: popping,
  RETR: retrieving,
  LMTP: (place) => delivering(place, 'lmtp'),
  SMTP: (place) => delivering(place, 'mx'),
  submission: (place) => delivering(place, 'submission'),
  imapflow: applying,
  nodemailer: sending,
};

async function idling({ near, far, user }: Place): Promise<() => Promise<void>> {
  await deliver(far, user, [makeMail('before')]);
  const session = await openInbox(near, user);
  const before = await fetchSeen(session);
  session.write('i IDLE\r\n');
  await session.until('+ ');
  return async () => {
    await deliver(far, user, [makeMail('while it was away')]);
    await session.until(`* ${before.length + 1} EXISTS`);
    await session.command('DONE', 'i OK');
    assert.deepEqual(await fetchSeen(session), await freshSeen(far, user));
    await logOut(session);
  };
}

/** More than the network's buffers hold is on its way when the host goes. */
async function fetching({ near, far, user }: Place): Promise<() => Promise<void>> {
  const rounds = 20;
  const messages = Array.from({ length: 10 }, (_, index) => makeMail(`large ${index}`, 200_000));
  await deliver(far, user, messages);
  const session = await openInbox(near, user);
  const first = (await fetchSeen(session)).length - messages.length + 1;
  for (let round = 0; round < rounds; round++)
    session.write(`f${round} FETCH ${first}:* (BODY.PEEK[TEXT])\r\n`);
  await session.line();
  session.pause();
  return async () => {
    session.resume();
    const bodies = messages.map((message) => message.slice(message.indexOf('\r\n\r\n') + 4));
    await session.bytes(bodies[0]!.length);
    await session.line();
    for (let round = 0; round < rounds; round++) {
      for (const [index, body] of bodies.entries()) {
        if (round === 0 && index === 0) continue;
        const line = await session.line();
        assert.equal(line, `* ${first + index} FETCH (BODY[TEXT] {${body.length}}`, `round ${round}`);
        const text = (await session.bytes(body.length)).toString('latin1');
        assert.ok(text === body, `message ${index} of round ${round} is not what was sent`);
        assert.equal(await session.line(), ')');
      }
      assert.match((await session.until(`f${round} `)).at(-1)!, / OK /);
    }
    await logOut(session);
  };
}

/** Flags are set one after another while the host goes; a second session idles on the same mailbox. */
async function storing({ near, far, user }: Place): Promise<() => Promise<void>> {
  const keyword = `k${Date.now()}`;
  await deliver(
    far,
    user,
    Array.from({ length: 40 }, (_, index) => makeMail(`flagged ${index}`)),
  );
  const session = await openInbox(near, user);
  const uids = (await fetchSeen(session)).map(({ uid }) => uid);
  const watcher = await openInbox(near, user);
  watcher.write('i IDLE\r\n');
  await watcher.until('+ ');
  const store = async (uid: number): Promise<void> => {
    session.write(`c UID STORE ${uid} +FLAGS (${keyword})\r\n`);
    const lines = await session.until('c ');
    assert.match(lines.at(-1)!, /^c OK/);
    const told = lines.some((line) => line.includes(`UID ${uid}`) && line.includes(keyword));
    assert.ok(told, `the flags of ${uid} are not told: ${lines.join(' | ')}`);
  };
  const half = uids.length / 2;
  for (const uid of uids.slice(0, half)) await store(uid);
  return async () => {
    for (const uid of uids.slice(half)) await store(uid);
    const fresh = await freshSeen(far, user);
    assert.ok(fresh.every(({ flags }) => flags.includes(keyword)));
    assert.deepEqual(await fetchSeen(session), fresh);
    await watcher.command('DONE', 'i OK');
    watcher.write('n NOOP\r\n');
    await watcher.until('n OK');
    assert.deepEqual(await fetchSeen(watcher), fresh);
    await logOut(session);
    await logOut(watcher);
  };
}

async function appending({ near, far, user }: Place): Promise<() => Promise<void>> {
  const subject = `appended ${Date.now()}`;
  const message = makeMail(subject, 20_000);
  const session = await openInbox(near, user);
  session.write(`a APPEND INBOX (\\Seen) {${message.length}}\r\n`);
  await session.until('+');
  session.write(message.slice(0, 5000));
  return async () => {
    session.write(message.slice(5000));
    const uid = Number(/APPENDUID \d+ (\d+)/.exec(await session.command('', 'a '))?.[1]);
    assert.ok(uid > 0);
    const fresh = await freshSeen(far, user);
    assert.deepEqual(fresh.at(-1), { uid, flags: '\\Seen' });
    assert.deepEqual(await fetchSeen(session), fresh);
    assert.equal((await subjectsOf(far, user)).filter((each) => each === subject).length, 1);
    await logOut(session);
  };
}

/** Expunged one by one, moved in between: sequence numbers would tell a view that is not exact. */
async function expunging({ near, far, user }: Place): Promise<() => Promise<void>> {
  await deliver(
    far,
    user,
    Array.from({ length: 30 }, (_, index) => makeMail(`goes ${index}`)),
  );
  const session = await openInbox(near, user);
  const left = (await fetchSeen(session)).map(({ uid }) => uid);
  await session.command('m CREATE Elsewhere', 'm ');
  const take = async (place: number): Promise<void> => {
    const [uid] = left.splice(place, 1);
    session.write(`x UID STORE ${uid} +FLAGS.SILENT (\\Deleted)\r\n`);
    assert.match((await session.until('x ')).at(-1)!, /^x OK/);
    session.write(place % 2 === 0 ? `x UID EXPUNGE ${uid}\r\n` : `x UID MOVE ${uid} Elsewhere\r\n`);
    const lines = await session.until('x ');
    assert.match(lines.at(-1)!, /^x OK/);
    const gone = lines.filter((line) => line.endsWith(' EXPUNGE'));
    assert.deepEqual(gone, [`* ${place + 1} EXPUNGE`]);
  };
  for (let count = 0; count < 10; count++) await take(count);
  return async () => {
    for (let count = 0; count < 10; count++) await take(count);
    const fresh = await freshSeen(far, user);
    assert.deepEqual(
      fresh.map(({ uid }) => uid),
      left,
    );
    assert.deepEqual(await fetchSeen(session), fresh);
    await logOut(session);
  };
}

async function popping({ near, far, user }: Place): Promise<() => Promise<void>> {
  const subjects = [0, 1, 2, 3].map((index) => `popped ${index}`);
  await deliver(
    far,
    user,
    subjects.map((subject) => makeMail(subject)),
  );
  const earlier = (await subjectsOf(far, user)).slice(0, -subjects.length);
  const session = await openPop(near, user);
  const retrieve = async (index: number): Promise<void> => {
    session.write(`RETR ${earlier.length + index + 1}\r\n`);
    const lines = await session.until('.', '-ERR');
    assert.match(lines[0]!, /^\+OK/);
    assert.ok(lines.includes(`Subject: ${subjects[index]}`), lines.slice(0, 9).join('\n'));
  };
  await retrieve(0);
  await session.command(`DELE ${earlier.length + 1}`, '+OK');
  return async () => {
    await retrieve(1);
    await session.command(`DELE ${earlier.length + 2}`, '+OK');
    // The maildrop stays this session's, on the new host too.
    await deliver(far, user, [makeMail('came meanwhile')]);
    await retrieve(2);
    assert.match(await session.command('QUIT', '+OK', '-ERR'), /^\+OK/);
    session.end();
    const wanted = [...earlier, ...subjects.slice(2), 'came meanwhile'];
    assert.deepEqual(await subjectsOf(far, user), wanted);
  };
}

/** STOREs of many messages follow one another, several on their way at any time, from before the host goes until after. */
async function storingMany({ near, far, user }: Place): Promise<() => Promise<void>> {
  const [count, onTheWay] = [200, 4];
  const session = await openInbox(near, user);
  const first = await fill({ far, user }, count);
  await session.command('n NOOP', 'n OK');
  const keyword = `k${Date.now()}`;
  let [sent, answered, wanted] = [0, 0, Number.POSITIVE_INFINITY];
  const takeAnswer = async (): Promise<void> => {
    const lines = await session.until(`t${++answered} `);
    assert.match(lines.at(-1)!, /^t\d+ OK/);
    const isSet = answered % 2 === 1;
    const told = lines.filter((line) => / FETCH /.test(line) && line.includes(keyword) === isSet);
    assert.equal(told.length, count, `STORE ${answered} told of ${told.length} messages`);
  };
  const storing = async (): Promise<void> => {
    for (; answered < wanted; await takeAnswer())
      while (sent < Math.min(answered + onTheWay, wanted))
        session.write(`t${++sent} STORE ${first}:* ${sent % 2 === 1 ? '+' : '-'}FLAGS (${keyword})\r\n`);
  };
  const stored = storing();
  stored.catch(() => {}); // it is awaited below, after the fault
  return async () => {
    // What comes after those that were on their way is the new host's answer.
    wanted = sent + 2 * onTheWay + 1 - (sent % 2);
    await stored;
    const fresh = await freshSeen(far, user);
    assert.equal(fresh.filter(({ flags }) => flags.includes(keyword)).length, count);
    assert.deepEqual(await fetchSeen(session), fresh);
    await logOut(session);
  };
}

/** More than the network's buffers hold is on its way when the host goes. */
async function retrieving({ near, far, user }: Place): Promise<() => Promise<void>> {
  const rounds = 20;
  await deliver(far, user, [makeMail('large', 1_000_000)]);
  const session = await openPop(near, user);
  const number = (await session.command('STAT', '+OK')).split(' ')[1];
  session.write(`RETR ${number}\r\n`.repeat(rounds));
  await session.line();
  session.pause();
  return async () => {
    session.resume();
    const text = `${(await session.until('.')).join('\r\n')}\r\n`;
    assert.ok(text.includes('Subject: large') && text.length > 1_000_000);
    for (let round = 1; round < rounds; round++) {
      assert.match(await session.line(), /^\+OK/);
      const again = (await session.bytes(text.length)).toString('latin1');
      assert.ok(again === text, `round ${round} is not what was there before`);
    }
    await session.command('QUIT', '+OK');
    session.end();
  };
}

/** Half of a message has been sent when the host goes. */
async function delivering(
  { near, far, user, neighbour }: Place,
  protocol: 'lmtp' | 'mx' | 'submission',
): Promise<() => Promise<void>> {
  const subject = `${protocol} of ${user} ${Date.now()}`;
  const from = addressOf(user);
  const message = makeMail(subject, 50_000, from);
  const session = protocol === 'lmtp' ? await openLmtp(near) : await openSmtp(near, protocol);
  if (protocol === 'submission') {
    const plain = Buffer.from(`\0${from}\0${passwordOf(user)}`).toString('base64');
    assert.match(await session.reply(`AUTH PLAIN ${plain}`), /^235/);
  }
  const recipients = [user, neighbour];
  await beginDelivery(session, recipients, from);
  session.write(message.slice(0, 20_000));
  return async () => {
    session.write(`${message.slice(20_000)}.\r\n`);
    const answers = protocol === 'lmtp' ? recipients : [user];
    for (const _ of answers) assert.match(await session.reply(), /^250/);
    // The session is of use for the next message.
    await beginDelivery(session, [user], from);
    assert.match(await session.reply(`${makeMail(`${subject} again`, 200, from)}.`), /^250/);
    session.end();
    for (const recipient of recipients) {
      const found = await subjectsOf(far, recipient);
      assert.equal(found.filter((each) => each === subject).length, 1, recipient);
    }
  };
}

async function openPop(node: Entrance, user: string): Promise<LineSession> {
  const session = await LineSession.open(node.port('pop3'), node.host);
  await session.line();
  await session.command(`USER ${addressOf(user)}`, '+OK');
  await session.command(`PASS ${passwordOf(user)}`, '+OK');
  return session;
}

async function logOut(session: LineSession): Promise<void> {
  await session.command('q LOGOUT', 'q OK');
  session.end();
}
