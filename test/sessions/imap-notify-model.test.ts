// Whatever another session does to mailboxes, a client that does what NOTIFY tells it (RFC 5465) ends with the server's
// mailboxes, their counts and the subscriptions; so does a guest with those that he may read, as the rights come and go. Random,
// from seeds that a failure names.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import fc from 'fast-check';
import type { ImapClient } from './imap-client.ts';
import { openImapServer } from './imap-server.ts';
import { modelRuns, seed } from './model-steps.ts';

const names = ['m', 'n', 'm/x', 'm/y', 'n/x', 'm/x/z', 'INBOX/k'];
const limitMs = 30_000;
const retryMs = 20;

const name = fc.constantFrom(...names);
const command: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: name.map((one) => `CREATE ${one}`) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('INBOX', ...names), name)
      .map(([one, other]) => `RENAME ${one} ${other}`),
  },
  { weight: 2, arbitrary: name.map((one) => `DELETE ${one}`) },
  {
    weight: 2,
    arbitrary: fc.constantFrom('INBOX', ...names).map((one) => `APPEND ${one} {3+}\r\nabc`),
  },
  { weight: 1, arbitrary: name.map((one) => `SUBSCRIBE ${one}`) },
  { weight: 1, arbitrary: name.map((one) => `UNSUBSCRIBE ${one}`) },
  { weight: 1, arbitrary: name.map((one) => `SELECT ${one}`) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('INBOX', ...names), fc.constantFrom('lr', 'lrs', '""'))
      .map(([one, rights]) => `SETACL ${one} bob@example.test ${rights}`),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('STORE 1 +FLAGS (\\Seen)', 'STORE 1 FLAGS (\\Deleted)', 'EXPUNGE'),
  },
);
/** Whether the client that watches gives a command meanwhile, too. */
const step = fc.record({ command, looks: fc.boolean() });

/** What the client knows. */
class Watched {
  /** Mailboxes with their counts; a mere place has none. */
  readonly mailboxes = new Map<string, Record<string, number>>();
  readonly subscribed = new Set<string>();

  static async now(client: ImapClient, isGuest: boolean): Promise<Watched> {
    const watched = new Watched();
    const top = isGuest ? '"Other Users/alice@example.test/"' : '""';
    const status = 'RETURN (STATUS (MESSAGES UIDNEXT UNSEEN))';
    for (const line of (await client.send(`LIST ${top} * ${status}`).ok()).untagged) watched.hears(line);
    watched.subscribed.clear();
    for (const line of (await client.send(`LIST (SUBSCRIBED) ${top} *`).ok()).untagged)
      watched.subscribed.add(/ "\/" (\S+)$/.exec(line)![1]!);
    return watched;
  }

  hears(told: string): void {
    const line = told.replaceAll(/"Other Users\/alice@example.test\/?([^"]*)"/g, (_, name) => name || 'top');
    const list = /^\* LIST \(([^)]*)\) "\/" (\S+)(?: \("OLDNAME" \((\S+)\)\))?$/.exec(line);
    if (list !== null) this.#listed(list[1]!.split(' '), list[2]!, list[3]);
    else {
      const [, mailbox, counts] = /^\* STATUS (\S+) \((.*)\)$/.exec(line)!;
      const known = this.mailboxes.get(mailbox!);
      assert(known, `not told of before: ${line}`);
      for (const [, item, count] of counts!.matchAll(/(\S+) (\d+)/g)) known[item!] = Number(count);
    }
  }

  #listed(attributes: readonly string[], mailbox: string, oldName: string | undefined): void {
    for (const [known, counts] of oldName === undefined ? [] : [...this.mailboxes]) {
      if (known !== oldName && !known.startsWith(`${oldName}/`)) continue;
      this.mailboxes.delete(known);
      this.mailboxes.set(mailbox + known.slice(oldName!.length), counts);
    }
    if (attributes.includes('\\Subscribed')) this.subscribed.add(mailbox);
    else this.subscribed.delete(mailbox);
    if (attributes.includes('\\NonExistent')) this.mailboxes.delete(mailbox);
    else if (attributes.includes('\\Noselect')) this.mailboxes.set(mailbox, {});
    else if (this.mailboxes.get(mailbox)?.UIDNEXT === undefined)
      this.mailboxes.set(mailbox, { MESSAGES: 0, UIDNEXT: 1, UNSEEN: 0 });
  }

  get sorted(): unknown {
    return [
      [...this.mailboxes].sort(([one], [other]) => (one < other ? -1 : 1)),
      [...this.subscribed].sort(),
    ];
  }
}

test(`who follows NOTIFY has the server’s mailboxes (IMAP_MODEL_SEED=${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 40 }),
      fc.record({ compressed: fc.boolean(), uidOnly: fc.boolean(), isGuest: fc.boolean() }),
      async (steps, { compressed, uidOnly, isGuest }) => {
        await using server = await openImapServer({ badCommandsMax: 1000 });
        const a = await (isGuest ? server.bob() : server.alice());
        const b = await server.alice();
        // From the beginning he is let in somewhere.
        if (isGuest) await b.send('SETACL INBOX bob@example.test lr').ok();
        if (compressed) {
          await a.send('COMPRESS DEFLATE').ok();
          a.socket.startDeflate();
        }
        if (uidOnly) await a.send('ENABLE UIDONLY').ok();
        const watched = await Watched.now(a, isGuest);
        const events = 'MessageNew MessageExpunge FlagChange MailboxName';
        const group = isGuest
          ? `SUBTREE "Other Users" (${events})`
          : `PERSONAL (${events} SubscriptionChange)`;
        await a.send(`NOTIFY SET (${group})`).tells();
        const look = async (): Promise<void> => {
          for (const line of (await a.send('NOOP').ok()).untagged) watched.hears(line);
        };
        for (const { command, looks } of steps) {
          // Refused as often as not.
          const { status } = await b.send(command).ended();
          if (command.startsWith('SELECT') && status !== 'OK') await b.send('SELECT INBOX').ok();
          if (looks) await look();
        }
        const real = await Watched.now(isGuest ? await server.bob() : b, isGuest);
        for (const until = performance.now() + limitMs; performance.now() < until; await wait(retryMs)) {
          await look();
          if (JSON.stringify(watched.sorted) === JSON.stringify(real.sorted)) return;
        }
        assert.deepEqual(watched.sorted, real.sorted);
      },
    ),
    modelRuns,
  );
});
