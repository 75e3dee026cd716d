// Sessions of the libraries that applications use, in the middle of something when the host of their account goes: they hear
// nothing of it. (session-scenarios.ts has the raw ones.)

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import type { ImapFlow } from 'imapflow';
import { addressOf } from '../server-process.ts';
import {
  deliver,
  fill,
  freshSeen,
  makeMail,
  type Place,
  sortedFlags,
  subjectsOf,
} from './client-sessions.ts';
import { makeImapFlow, makeMailer } from './library-sessions.ts';

/** One connection waits in IDLE, another one is in the middle of more than the network's buffers hold. */
export async function applying(place: Place): Promise<() => Promise<void>> {
  const { far, user } = place;
  const [count, bytes] = [96, 200_000];
  const first = await fill(place, count, bytes);
  const [idler, reader] = [await openInbox(place), await openInbox(place)];
  const before = (await freshSeen(far, user)).length;
  const idling = idler.idle();
  idling.catch(() => {}); // it is awaited below, after the fault
  const came = new Promise((resolve) => idler.once('exists', resolve));
  const reading = reader.fetch(`${first}:*`, { source: true });
  // The library reads on when this takes the next one.
  const texts = [sourceOf(await reading.next())];
  return async () => {
    for (let number = 1; number < count; number++) texts.push(sourceOf(await reading.next()));
    assert.equal((await reading.next()).done, true);
    for (const text of texts) assert.ok(text === texts[0], 'the copies of a message differ');
    assert.ok(texts[0]!.length > bytes);
    await deliver(far, user, [makeMail('while it waited')]);
    await came;
    assert.equal(await idler.messageFlagsAdd(String(before + 1), ['\\Flagged']), true);
    await idling;
    const all = await idler.fetchAll('1:*', { flags: true });
    const view = all.map(({ uid, flags }) => ({ uid, flags: sortedFlags(flags!) }));
    assert.deepEqual(view, await freshSeen(far, user));
    assert.equal(view.at(-1)!.flags, '\\Flagged');
    await Promise.all([idler.logout(), reader.logout()]);
  };
}

/** Half of a message has been sent. */
export async function sending({ near, far, user, neighbour }: Place): Promise<() => Promise<void>> {
  const subject = `nodemailer of ${user} ${Date.now()}`;
  const [from, to] = [addressOf(user), [addressOf(user), addressOf(neighbour)]];
  const half = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  // Far more than the library's streams hold: somebody has taken most of it.
  const text = makeMail(subject, 4_000_000, from);
  async function* halves(): AsyncGenerator<string> {
    for (let at = 0; at < text.length; at += chunkBytes) {
      yield text.slice(at, at + chunkBytes);
      if (at < text.length / 2) continue;
      half.resolve();
      await goOn.promise;
    }
  }
  const mailer = makeMailer(near, user);
  const sent = mailer.sendMail({ envelope: { from, to }, raw: Readable.from(halves()) });
  await Promise.race([half.promise, sent]);
  return async () => {
    goOn.resolve();
    assert.deepEqual((await sent).accepted, to);
    mailer.close();
    for (const recipient of [user, neighbour]) {
      const found = await subjectsOf(far, recipient);
      assert.equal(found.filter((each) => each === subject).length, 1, recipient);
    }
  };
}

const chunkBytes = 50_000;

async function openInbox({ near, user }: Place): Promise<ImapFlow> {
  // Compressed, the network's buffers would hold all of it.
  const client = makeImapFlow(near, user, { disableCompression: true });
  await client.connect();
  await client.mailboxOpen('INBOX');
  return client;
}

function sourceOf({ value }: IteratorResult<{ readonly source?: Buffer | undefined } | undefined>): string {
  assert.ok(value?.source !== undefined, 'the FETCH ended early');
  return value.source.toString('latin1');
}
