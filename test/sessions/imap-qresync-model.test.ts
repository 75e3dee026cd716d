// A client that is cut off anywhere and comes back with QRESYNC ends with the server's state (RFC 7162 3.2: "in a way that
// the client doesn't lose any changes in case of connectivity loss"). Random, from seeds that a failure names.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CachingClient, flagsOf } from './caching-client.ts';
import { type ImapClient, mail } from './imap-client.ts';
import { type ImapServer, openImapServer } from './imap-server.ts';
import { modelRuns, seed } from './model-steps.ts';

type Step =
  | { readonly type: 'append' | 'copy' | 'move' | 'expunge' | 'fetchNew' | 'noop' | 'cut' }
  | { readonly type: 'flag'; readonly place: number; readonly flag: number; readonly add: boolean }
  | { readonly type: 'delete'; readonly place: number }
  /** What the caching client does; `lines` of the answer come through before it is cut off, if it is. */
  | { readonly type: 'own'; readonly command: number; readonly place: number; readonly lines: number };

/** Two of them fit into a mailbox's keywords, not a third: what a keyword is kept as changes. */
const families = ['a', 'b', 'c'].map((name) =>
  Array.from({ length: 28 }, (_, at) => `${name}${at}`).join(' '),
);
const flags = ['\\Seen', '\\Flagged', '$One', '$Two', ...families];
const place = fc.nat(7);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Step>({ type: 'append' }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ type: 'copy' }, { type: 'move' }) },
  { weight: 3, arbitrary: fc.constant<Step>({ type: 'expunge' }) },
  { weight: 2, arbitrary: fc.constantFrom<Step>({ type: 'fetchNew' }, { type: 'noop' }, { type: 'cut' }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('flag' as const),
      place,
      flag: fc.nat(flags.length - 1),
      add: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('delete' as const), place }) },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('own' as const),
      command: fc.nat(5),
      place,
      lines: fc.oneof(fc.nat(4), fc.constant(99)),
    }),
  },
);

function ownCommand(command: number, message: number): string {
  switch (command) {
    case 0:
      return `FETCH ${message} (UID FLAGS MODSEQ)`;
    case 1:
      return `STORE ${message} +FLAGS ($One)`;
    case 2:
      return `STORE ${message} FLAGS (\\Deleted)`;
    case 3:
      return 'EXPUNGE';
    case 4:
      return `UID FETCH 1:${message} (UID FLAGS MODSEQ)`;
    default:
      return `SEARCH RETURN (COUNT) ${message}`;
  }
}

function uidCommand(command: number, { mailbox }: CachingClient): string {
  const [uid = 1] = mailbox.keys();
  switch (command) {
    case 3:
      return 'EXPUNGE';
    case 5:
      return `UID SEARCH RETURN (COUNT) UID ${uid}`;
    default:
      return `UID ${ownCommand(command % 3, uid)}`;
  }
}

/** The truth, from a session of its own. */
async function truth(server: ImapServer): Promise<Map<number, string>> {
  const client = await server.alice('INBOX');
  const answer = await client.send('UID FETCH 1:* FLAGS').ok();
  client[Symbol.dispose]();
  return new Map(
    answer.untagged.flatMap((line) => {
      const match = /UID (\d+) FLAGS \(([^)]*)\)/.exec(line);
      return match === null ? [] : [[Number(match[1]), flagsOf(match[2]!)] as const];
    }),
  );
}

async function perform(
  step: Step,
  writer: ImapClient,
  client: CachingClient,
  online: boolean,
): Promise<boolean> {
  switch (step.type) {
    case 'append':
      await writer.append('INBOX', mail('new')).ok();
      return online;
    case 'copy':
      await writer.send('UID COPY 1:* INBOX').ok();
      return online;
    case 'move':
      await writer.send('UID MOVE * Archive').ok();
      return online;
    case 'flag': {
      const change = `${step.add ? '+' : '-'}FLAGS (${flags[step.flag]})`;
      const { status, code } = await writer.send(`UID STORE ${step.place + 1}:* ${change}`).ended();
      assert(status === 'OK' || code === 'LIMIT', `${status} ${code}`);
      return online;
    }
    case 'delete':
      await writer.send(`UID STORE ${step.place + 1}:${step.place + 3} +FLAGS (\\Deleted)`).ok();
      return online;
    case 'expunge':
      await writer.send('EXPUNGE').ok();
      return online;
    case 'cut':
      client.cut();
      return false;
    case 'fetchNew':
      if (online) await client.fetchNew();
      return online;
    case 'noop':
      if (online) await client.command('NOOP');
      return online;
    case 'own': {
      // Numbers beyond the mailbox are refused: not what is tried here.
      if (!online || step.place >= client.mailbox.size) return online;
      await client.command(
        client.uidOnly ? uidCommand(step.command, client) : ownCommand(step.command, 1),
        step.lines,
      );
      return step.lines === 99;
    }
  }
}

test(`a client that is cut off anywhere resynchronises (IMAP_MODEL_SEED=${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.nat(5),
      fc.boolean(),
      fc.record({ uidOnly: fc.boolean(), compressed: fc.boolean() }),
      async (steps, style, prunes, kind) => {
        await using server = await openImapServer(
          {},
          {},
          prunes ? { tombstonesMax: 2, tombstonesInMemoryMax: 1 } : {},
        );
        const writer = await server.alice('INBOX');
        for (let count = 0; count < 3; count++) await writer.append('INBOX', mail('first')).ok();
        const client = new CachingClient(server.port, 'alice', kind);
        let online = false;
        try {
          for (const [index, one] of steps.entries()) {
            if (!online && index % 3 === 0) {
              await client.synchronise(style + index);
              online = true;
            }
            online = await perform(one, writer, client, online);
          }
          client.cut();
          await client.synchronise(style);
          assert.deepEqual(
            [...client.mailbox].sort(([a], [b]) => a - b),
            [...(await truth(server))],
          );
        } finally {
          client.cut();
        }
      },
    ),
    { ...modelRuns, numRuns: 5 * modelRuns.numRuns },
  );
});
