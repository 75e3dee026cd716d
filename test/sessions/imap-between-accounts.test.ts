// Messages that go from one account into another: COPY, MOVE and REPLACE (RFC 8508); and that RENAME does not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountPorts } from '../../src/account/port.ts';
import { newOperation } from '../../src/account/testing.ts';
import { MailError } from '../../src/mail/mail-error.ts';
import { openHarness } from './harness.ts';
import { ImapClient, mail } from './imap-client.ts';
import { imapFor, openImapServer } from './imap-server.ts';
import { alices, sharedInbox } from './shared-inbox.ts';

test('COPY and MOVE between accounts keep message, date and flags, and lose nothing', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.append('INBOX', mail('here'), '(\\Seen $Old) "17-Jul-1996 02:44:25 -0700"').ok();
  await a.append('INBOX', mail('there')).ok();
  await a.send('SETACL INBOX bob lrs').ok();
  const b = await server.bob(`${alices}/INBOX`);
  await b.send('COPY 1:2 Archive').ok(/^COPYUID \d+ 1:2 1:2$/);
  await b.send('MOVE 1 Archive').no('NOPERM');
  await b.send('COPY 1 Nowhere').no('TRYCREATE');
  await b.send(`STATUS "${alices}/INBOX" (MESSAGES)`).tells(`* STATUS "${alices}/INBOX" (MESSAGES 2)`);
  await a.send('SETACL INBOX bob lrste').ok();
  await b.send(`SELECT "${alices}/INBOX"`).ok();
  const moved = await b.send('MOVE 1 Archive').ok();
  assert.match(moved.untagged[0]!, /^\* OK \[COPYUID \d+ 1 3\]/);
  assert.equal(moved.untagged[1], '* 1 EXPUNGE');
  await b.send('SELECT Archive').ok();
  const { untagged } = await b.send('FETCH 3 (FLAGS INTERNALDATE BODY.PEEK[])').ok();
  assert(untagged[0]!.includes('FLAGS (\\Seen $Old \\Recent)'), untagged.join());
  assert(untagged[0]!.includes('INTERNALDATE "17-Jul-1996 09:44:25 +0000"'), untagged.join());
  assert(untagged[0]!.includes(mail('here')), untagged.join());
  // And back.
  await b.send(`MOVE 3 "${alices}/INBOX"`).no('NOPERM');
  await b.send('FETCH 3 FLAGS').ok();
  await a.send('SETACL INBOX bob +iw').ok();
  await b.send(`MOVE 1,3 "${alices}/INBOX"`).ok();
  await b.send(`STATUS "${alices}/INBOX" (MESSAGES)`).tells(`* STATUS "${alices}/INBOX" (MESSAGES 3)`);
  await b.send('STATUS Archive (MESSAGES)').tells('* STATUS Archive (MESSAGES 1)');
});

test('a COPY between accounts that fails leaves nothing behind, a MOVE loses nothing', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const count = 150;
  const messages = Array.from(
    { length: count },
    (_, at) => ` {${mail(`${at}`).length}+}\r\n${mail(`${at}`)}`,
  );
  await a.send(`APPEND INBOX${messages.slice(0, 75).join('')}`).ok();
  await a.send(`APPEND INBOX${messages.slice(75).join('')}`).ok();
  await a.send('SETACL INBOX bob lrte').ok();
  // Room for the first piece of a hundred, and not for the second.
  const account = await server.harness.account('bob');
  await account.setQuota({ operation: newOperation(), bytesMax: undefined, messagesMax: 120 });
  const b = await server.bob(`${alices}/INBOX`);
  const counted = async (mailbox: string): Promise<number> => {
    const { untagged } = await b.send(`STATUS "${mailbox}" (MESSAGES)`).ok();
    return Number(/MESSAGES (\d+)/.exec(untagged.at(-1)!)![1]);
  };
  await b.send('COPY 1:* Archive').no('OVERQUOTA');
  assert.equal(await counted('Archive'), 0);
  assert.equal((await account.quota()).messagesUsed, 0);
  const { untagged } = await b.send('MOVE 1:* Archive').no('OVERQUOTA');
  assert.equal(untagged.filter((line) => line.endsWith('EXPUNGE')).length, 100);
  assert.equal(await counted('Archive'), 100);
  await b.send('CLOSE').ok();
  assert.equal(await counted(`${alices}/INBOX`), 50);
});

test('more messages than one commit takes are copied all at once, also to where nothing may be taken back', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('CREATE Drop').ok();
  await a.send('SETACL Drop bob li').ok();
  const b = await server.bob();
  await appendMany(b, 'INBOX', 250);
  await b.send('SELECT INBOX').ok();
  await b.send('STORE 101 +FLAGS (\\Flagged $Work)').ok();
  // Others' messages may come at any time.
  const copied = b.send(`COPY 1:* "${alices}/Drop"`);
  await a.append('Drop', mail('between')).ok();
  await copied.ok();
  await a.send('SELECT Drop').ok();
  const { untagged } = await a.send('UID SEARCH RETURN (ALL) SUBJECT message').ok();
  assert.match(untagged.join(), / UID ALL (1:250|2:251)$/);
  const counted = async (key: string): Promise<number> => {
    const { untagged } = await a.send(`SEARCH RETURN (COUNT) ${key}`).ok();
    return Number(/COUNT (\d+)/.exec(untagged.join())![1]);
  };
  assert.equal(await counted('SUBJECT message'), 250);
  assert.equal(await counted('KEYWORD $Work'), 0);
  await a.send('SETACL Drop bob +w').ok();
  await b.send(`COPY 1:* "${alices}/Drop"`).ok();
  await a.send('NOOP').ok();
  assert.equal(await counted('SUBJECT message'), 500);
  assert.equal(await counted('KEYWORD $Work FLAGGED'), 1);
});

test('a COPY between accounts that is cut off in the middle is not seen, and is done again', async () => {
  let pieces = 0;
  let isCut = false;
  await using harness = await openHarness();
  const away = () => Promise.reject(new MailError('unavailable', 'its host is away'));
  const accounts = guestsThrough(harness, (name) => {
    if (name === 'stage') pieces++;
    if (pieces < 2 || !isCut) return undefined;
    return name === 'stage' || name === 'discardStaged' ? away : undefined;
  });
  const { port } = await harness.listen(imapFor(harness, { accounts }));
  using a = await ImapClient.login(port, 'alice');
  await a.send('SETACL INBOX bob lri').ok();
  using b = await ImapClient.login(port, 'bob');
  await appendMany(b, 'INBOX', 150);
  await b.send('SELECT INBOX').ok();
  isCut = true;
  await b.send(`COPY 1:* "${alices}/INBOX"`).no('UNAVAILABLE');
  assert.equal(pieces, 2);
  await a.send('STATUS INBOX (MESSAGES UIDNEXT)').tells('* STATUS INBOX (MESSAGES 0 UIDNEXT 1)');
  isCut = false;
  await b.send(`COPY 1:* "${alices}/INBOX"`).ok(/^COPYUID \d+ 1:150 1:150$/);
  await a.send('STATUS INBOX (MESSAGES)').tells('* STATUS INBOX (MESSAGES 150)');
});

test('REPLACE across accounts: the new message comes there, then the old one goes here', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lrte', 2);
  const b = await server.bob(`${alices}/INBOX`);
  const draft = mail('new version');
  const literal = `{${draft.length}+}\r\n${draft}`;
  const replaced = await b.send(`REPLACE 1 Drafts (\\Draft) ${literal}`).ok();
  assert.match(replaced.untagged[0]!, /^\* OK \[APPENDUID \d+ 1\] /);
  assert.deepEqual(replaced.untagged.slice(1), ['* 1 EXPUNGE']);
  await b.send('STATUS Drafts (MESSAGES)').tells('* STATUS Drafts (MESSAGES 1)');
  await a.send('STATUS INBOX (MESSAGES)').tells('* STATUS INBOX (MESSAGES 1)');
  // And back, where the rights do not allow it at first.
  await b.send('SELECT Drafts').ok();
  await b.send('FETCH 1 (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])').ok();
  await b.send(`REPLACE 1 "${alices}/INBOX" ${literal}`).no('NOPERM');
  await b.send(`REPLACE 1 "${alices}/Nowhere" ${literal}`).no('NONEXISTENT');
  await a.send('SETACL INBOX bob +i').ok();
  await b.send(`UID REPLACE 1 "${alices}/INBOX" ${literal}`).ok();
  await b.send('STATUS Drafts (MESSAGES)').tells('* STATUS Drafts (MESSAGES 0)');
  await a.send('STATUS INBOX (MESSAGES)').tells('* STATUS INBOX (MESSAGES 2)');
  // What may not be taken away: nothing is stored.
  await a.send('SETACL INBOX bob -e').ok();
  await b.send(`SELECT "${alices}/INBOX"`).ok();
  await b.send(`REPLACE 1 Drafts ${literal}`).no('NOPERM');
  await b.send('STATUS Drafts (MESSAGES UIDNEXT)').tells('* STATUS Drafts (MESSAGES 0 UIDNEXT 2)');
  // Each account counts its own.
  await a.send('SETACL INBOX bob +e').ok();
  const account = await server.harness.account('bob');
  await account.setQuota({ operation: newOperation(), bytesMax: 10, messagesMax: undefined });
  await b.send(`REPLACE 1 Drafts ${literal}`).no('OVERQUOTA');
  await b.send('NOOP').tells();
  await a.send('SELECT INBOX').ok();
  await a.send('STORE 1 +FLAGS.SILENT (\\Deleted)').ok();
  await a.send('EXPUNGE').ok();
  await b.send(`REPLACE 1 Drafts ${literal}`).no('EXPUNGEISSUED');
});

test('REPLACE across accounts that is cut short loses nothing: the new message is taken back, or both are there', async () => {
  let failure: MailError | undefined;
  await using harness = await openHarness();
  // Others' accounts refuse to expunge, once they are asked to.
  const accounts = guestsThrough(harness, (name) => {
    const refused = failure;
    return name === 'expunge' && refused !== undefined ? () => Promise.reject(refused) : undefined;
  });
  const { port } = await harness.listen(imapFor(harness, { accounts }));
  using a = await ImapClient.login(port, 'alice');
  await a.append('INBOX', mail('old version')).ok();
  await a.send('SETACL INBOX bob lrte').ok();
  using b = await ImapClient.login(port, 'bob');
  await b.send(`SELECT "${alices}/INBOX"`).ok();
  const draft = mail('new version');
  const replace = `REPLACE 1 Drafts {${draft.length}+}\r\n${draft}`;
  failure = new MailError('permissionDenied', 'no longer');
  await b.send(replace).no('NOPERM');
  await b.send('STATUS Drafts (MESSAGES)').tells('* STATUS Drafts (MESSAGES 0)');
  await a.send('STATUS INBOX (MESSAGES)').tells('* STATUS INBOX (MESSAGES 1)');
  // Whether it happened is not known.
  failure = new MailError('unavailable', 'its host is away');
  await b.send(replace).no('UNAVAILABLE');
  await b.send('STATUS Drafts (MESSAGES)').tells('* STATUS Drafts (MESSAGES 1)');
  await a.send('STATUS INBOX (MESSAGES)').tells('* STATUS INBOX (MESSAGES 1)');
});

test('RENAME stays within one account, whoever asks', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lr');
  await a.send('CREATE Work').ok();
  await a.send('SETACL Work bob lrxk').ok();
  const b = await server.bob();
  await b.send('CREATE Mine').ok();
  await b.send(`RENAME Mine "${alices}/Work/Mine"`).no('CANNOT');
  await b.send(`RENAME "${alices}/Work" Work`).no('CANNOT');
  // Nothing is said of what is not there.
  await b.send(`RENAME "${alices}/Secret" Work`).no('NONEXISTENT');
  await b.send(`RENAME Mine "Other Users/carol@example.test/Mine"`).no('NONEXISTENT');
  await b.send('LIST "" (Mine Work)').tells('* LIST (\\HasNoChildren) "/" Mine');
});

/** Others' accounts, of which `instead` may answer for a method. */
function guestsThrough(
  harness: Awaited<ReturnType<typeof openHarness>>,
  instead: (name: string | symbol) => (() => unknown) | undefined,
): AccountPorts {
  return {
    async open(accountId, actor) {
      const port = await harness.accounts.open(accountId, actor);
      if (actor === undefined) return port;
      return new Proxy(port, {
        get(target, name) {
          const member: unknown = Reflect.get(target, name, target);
          return instead(name) ?? (typeof member === 'function' ? (member.bind(target) as unknown) : member);
        },
      });
    },
  };
}

/** A hundred at a time. */
async function appendMany(client: ImapClient, mailbox: string, count: number): Promise<void> {
  for (let from = 0; from < count; from += 100) {
    const literals = Array.from({ length: Math.min(100, count - from) }, (_, at) => {
      const text = mail(`message ${from + at}`);
      return ` {${text.length}+}\r\n${text}`;
    });
    await client.send(`APPEND ${mailbox}${literals.join('')}`).ok();
  }
}
