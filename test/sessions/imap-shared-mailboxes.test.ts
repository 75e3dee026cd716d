// The namespaces of others' and shared mailboxes (RFC 2342), LIST-MYRIGHTS (RFC 8440), and what
// happens to sessions whose right is taken.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountPorts } from '../../src/account/port.ts';
import { newOperation } from '../../src/account/testing.ts';
import { MailError } from '../../src/mail/mail-error.ts';
import { openHarness } from './harness.ts';
import { ImapClient, mail } from './imap-client.ts';
import { imapFor, openImapServer } from './imap-server.ts';
import { alices, all, sharedInbox } from './shared-inbox.ts';

test('what is not shared is not told from what is not there', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lr');
  await a.send('CREATE Secret').ok();
  await a.send('SETACL Secret bob@example.test p').ok();
  const b = await server.bob();
  const answers = new Set<string>();
  // Of Secret he has a right, but none to know of it.
  for (const name of [
    `${alices}/Secret`,
    `${alices}/Drafts`,
    `${alices}/Nowhere`,
    'Other Users/carol@example.test/INBOX',
  ]) {
    for (const command of [
      'SELECT %',
      'EXAMINE %',
      'STATUS % (MESSAGES)',
      'GETACL %',
      'MYRIGHTS %',
      'LISTRIGHTS % bob',
    ]) {
      const answer = await b.send(command.replace('%', `"${name}"`)).no('NONEXISTENT');
      answers.add(answer.text);
    }
    for (const command of [
      'SETACL % bob lr',
      'DELETEACL % bob',
      'DELETE %',
      'RENAME % x',
      'GETMETADATA % /shared/comment',
    ])
      answers.add((await b.send(command.replace('%', `"${name}"`)).no('NONEXISTENT')).text);
    answers.add((await b.append(name, mail('for nobody')).no('NONEXISTENT')).text);
  }
  assert.deepEqual([...answers], ['No such mailbox']);
  await b.send('LIST "" "*" RETURN (STATUS (MESSAGES))').ok();
  const { untagged } = await b.send(`LIST "" "${alices}/*"`).ok();
  assert.deepEqual(untagged, [`* LIST (\\HasNoChildren) "/" "${alices}/INBOX"`]);
});

test('no object identifier stands for two mailboxes or messages (RFC 8474 sections 4 and 5.1)', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lrk');
  const b = await server.bob();
  await b.append('INBOX', mail('his own')).ok();
  const told = async (command: string, item: string): Promise<string> => {
    const { untagged, code } = await b.send(command).ok();
    return new RegExp(`${item} \\(([A-Za-z0-9_-]+)\\)`).exec([...untagged, code].join('\n'))![1]!;
  };
  const foreign = `"${alices}/INBOX"`;
  for (const [command, item] of [
    ['STATUS % (MAILBOXID)', 'MAILBOXID'],
    ['EXAMINE %', 'MAILBOXID'],
    ['FETCH 1 EMAILID', 'EMAILID'],
    ['FETCH 1 THREADID', 'THREADID'],
  ] as const) {
    const ids: string[] = [];
    for (const mailbox of ['INBOX', foreign]) {
      await b.send(`EXAMINE ${mailbox}`).ok();
      ids.push(await told(command.replace('%', mailbox), item));
    }
    assert.notEqual(ids[0], ids[1], command);
    if (item === 'MAILBOXID') continue;
    // They are found by these alone, where they are.
    await b.send(`SEARCH ${item} ${ids[1]}`).tells('* SEARCH 1');
    await b.send(`SEARCH ${item} ${ids[0]}`).tells('* SEARCH');
    await b.send('EXAMINE INBOX').ok();
    await b.send(`SEARCH ${item} ${ids[0]}`).tells('* SEARCH 1');
    await b.send(`SEARCH ${item} ${ids[1]}`).tells('* SEARCH');
  }
  await a.send('CREATE Work').ok();
  await a.send('SETACL Work bob lrk').ok();
  const created = await told(`CREATE "${alices}/Work/New"`, 'MAILBOXID');
  assert.equal(created, await told(`STATUS "${alices}/Work/New" (MAILBOXID)`, 'MAILBOXID'));
});

test('LIST shows others’ mailboxes with *, their places with %, and only what may be looked up', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lr');
  await a.send('CREATE Work/Plans').ok();
  await a.send('SETACL Work/Plans anyone l').ok();
  await a.send('CREATE Hidden').ok();
  await a.send('SETACL Hidden bob@example.test ri').ok();
  const team = await server.harness.addAccount('team', { shared: true });
  assert(team);
  const admin = await server.harness.account('team');
  const inbox = await admin.findMailbox({ role: 'inbox' });
  await admin.setAcl({
    operation: 'team-1' as never,
    mailboxId: inbox!.id,
    identifier: 'anyone',
    mode: 'replace',
    rights: 'lrs',
  });
  const b = await server.bob();
  await b.send('CREATE "Shared/Own"').ok();
  const foreign = (untagged: readonly string[]) => untagged.filter((line) => /Other|Shared/.test(line));
  const everything = await b.send('LIST "" "*"').ok();
  assert.deepEqual(foreign(everything.untagged), [
    `* LIST (\\HasNoChildren) "/" "${alices}/INBOX"`,
    `* LIST (\\Noselect \\HasNoChildren) "/" "${alices}/Work/Plans"`,
    '* LIST (\\HasChildren) "/" Shared',
    '* LIST (\\HasNoChildren) "/" Shared/Own',
    '* LIST (\\HasNoChildren) "/" Shared/team@example.test/INBOX',
  ]);
  const top = await b.send('LIST "" %').ok();
  assert.deepEqual(foreign(top.untagged), [
    '* LIST (\\Noselect \\NonExistent \\HasChildren) "/" "Other Users"',
    '* LIST (\\HasChildren) "/" Shared',
  ]);
  await b
    .send('LIST "" "Other Users/%"')
    .tells(`* LIST (\\Noselect \\NonExistent \\HasChildren) "/" "${alices}"`);
  await b
    .send(`LIST "${alices}/" %`)
    .tells(
      `* LIST (\\HasNoChildren) "/" "${alices}/INBOX"`,
      `* LIST (\\Noselect \\NonExistent \\HasChildren) "/" "${alices}/Work"`,
    );
  // RFC 8440.
  await b
    .send('LIST "" ("Other Users/*" Shared/%) RETURN (MYRIGHTS)')
    .tells(
      `* LIST (\\HasNoChildren) "/" "${alices}/INBOX"`,
      `* MYRIGHTS "${alices}/INBOX" lr`,
      `* LIST (\\Noselect \\HasNoChildren) "/" "${alices}/Work/Plans"`,
      `* MYRIGHTS "${alices}/Work/Plans" l`,
      '* LIST (\\HasNoChildren) "/" Shared/Own',
      `* MYRIGHTS Shared/Own ${all}`,
      '* LIST (\\Noselect \\NonExistent \\HasChildren) "/" Shared/team@example.test',
    );
  // What may be looked up and not read has no STATUS (RFC 5819 section 2), and is never told as if it could be selected.
  await b
    .send(`LIST "" "${alices}/*" RETURN (STATUS (MESSAGES))`)
    .tells(
      `* LIST (\\HasNoChildren) "/" "${alices}/INBOX"`,
      `* STATUS "${alices}/INBOX" (MESSAGES 1)`,
      `* LIST (\\Noselect \\HasNoChildren) "/" "${alices}/Work/Plans"`,
    );
  await b.send(`STATUS "${alices}/Work/Plans" (MESSAGES)`).no('NOPERM');
  await b.send(`SELECT "${alices}"`).no('NONEXISTENT');
});

test('a subscription to somebody else’s mailbox is the subscriber’s own', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lr');
  const b = await server.bob();
  await b.send('UNSUBSCRIBE INBOX').ok();
  await b.send('SUBSCRIBE "Other Users/Alice@Example.TEST/inbox"').ok();
  const { untagged } = await b.send('LIST (SUBSCRIBED) "" "*"').ok();
  assert(
    untagged.includes(`* LIST (\\HasNoChildren \\Subscribed) "/" "${alices}/INBOX"`),
    untagged.join('\n'),
  );
  const lsub = await b.send('LSUB "" "Other*"').ok();
  assert.deepEqual(lsub.untagged, [`* LSUB () "/" "${alices}/INBOX"`]);
  const own = await a.send('LIST (SUBSCRIBED) "" "*"').ok();
  assert(own.untagged.every((line) => !line.includes('Other')));
  await a.send('DELETEACL INBOX bob').ok();
  const gone = await b.send('LIST (SUBSCRIBED) "" "Other*"').ok();
  assert.deepEqual(gone.untagged, [
    `* LIST (\\NonExistent \\HasNoChildren \\Subscribed) "/" "${alices}/INBOX"`,
  ]);
});

test('a session that idles in somebody else’s mailbox hears of it, and is sent away when the right is taken', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lr');
  const b = await server.bob(`${alices}/INBOX`);
  await b.idle();
  await a.append('INBOX', mail('news')).ok();
  assert.equal(await b.line(), '* 2 EXISTS');
  // That is the owner's.
  assert.equal(await b.line(), '* 0 RECENT');
  await a.send('SETACL INBOX bob -r').ok();
  assert.equal(await b.line(), '* BYE Selected mailbox is no longer there');
  assert.equal(await b.line(), undefined);
});

test('a right that is taken counts at once, whatever the session had selected', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lrswte');
  const b = await server.bob(`${alices}/INBOX`);
  await a.send('SETACL INBOX bob -w').ok();
  // 5.1.1: the client is told which flags it may set now.
  const { untagged } = await b.send('STORE 1 +FLAGS (\\Flagged)').no('NOPERM');
  assert.deepEqual(untagged, [
    '* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)',
    '* OK [PERMANENTFLAGS (\\Deleted \\Seen)] Flags permitted',
  ]);
  await a.send('SETACL INBOX bob -et').ok();
  await b.send('CLOSE').ok();
  await b.send(`SELECT "${alices}/INBOX"`).ok();
  await a.send('DELETEACL INBOX bob').ok();
  await b.send('UID FETCH 1 BODY.PEEK[]').no('NONEXISTENT');
});

test('sessions in a mailbox of an account that is closed end as if it had been deleted', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lr');
  const b = await server.bob(`${alices}/INBOX`);
  const other = await server.bob('INBOX');
  const alice = (await server.harness.directory.accountByAddress('alice@example.test'))!.id;
  await server.harness.accounts.endSessions(alice);
  assert.equal(await b.line(), '* BYE Selected mailbox is no longer there');
  assert.match((await a.line())!, /^\* BYE/);
  await other.send('NOOP').ok();
});

test('METADATA and QUOTA of somebody else’s mailbox: shared annotations are the owner’s, private ones each one’s own', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lr');
  await a.send('SETMETADATA INBOX (/private/comment "mine" /shared/comment "ours")').ok();
  const b = await server.bob();
  const inbox = `"${alices}/INBOX"`;
  await b
    .send(`GETMETADATA ${inbox} (/private/comment /shared/comment)`)
    .tells(`* METADATA ${inbox} (/private/comment NIL /shared/comment "ours")`);
  await b.send(`SETMETADATA ${inbox} (/shared/comment "theirs")`).no('NOPERM');
  await b.send(`SETMETADATA ${inbox} (/private/comment "bob's")`).ok();
  await b
    .send(`GETMETADATA ${inbox} (DEPTH infinity) /private`)
    .tells(`* METADATA ${inbox} (/private/comment "bob's")`);
  await a
    .send('GETMETADATA INBOX (DEPTH infinity) /private')
    .tells('* METADATA INBOX (/private/comment "mine")');
  await a.send('SETACL INBOX bob lrw').ok();
  await b.send(`SETMETADATA ${inbox} (/shared/comment "theirs")`).ok();
  await a.send('GETMETADATA INBOX /shared/comment').tells('* METADATA INBOX (/shared/comment "theirs")');
  const account = await server.harness.account('alice');
  await account.setQuota({ operation: newOperation(), bytesMax: 512 * 1024, messagesMax: undefined });
  await b
    .send(`GETQUOTAROOT ${inbox}`)
    .tells(`* QUOTAROOT ${inbox} "${alices}"`, `* QUOTA "${alices}" (STORAGE 1 512)`);
  await b.send(`GETQUOTA "${alices}"`).tells(`* QUOTA "${alices}" (STORAGE 1 512)`);
  await b.send('GETQUOTA "Other Users/carol@example.test"').no('NONEXISTENT');
});

test('LIST marks what may not be selected with \\Noselect, as RFC 5819 section 2 has it for STATUS', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'l', 2);
  const b = await server.bob();
  const inbox = `"${alices}/INBOX"`;
  await b.send(`LIST "" ${inbox}`).tells(`* LIST (\\Noselect \\HasNoChildren) "/" ${inbox}`);
  const list = `LIST "" ${inbox} RETURN (STATUS (MESSAGES))`;
  await b.send(list).tells(`* LIST (\\Noselect \\HasNoChildren) "/" ${inbox}`);
  await a.send('SETACL INBOX bob lr').ok();
  await b.send(list).tells(`* LIST (\\HasNoChildren) "/" ${inbox}`, `* STATUS ${inbox} (MESSAGES 2)`);
  // What is a mere place has it once.
  await a.send('CREATE top/below').ok();
  await a.send('DELETE top').ok();
  await a.send('LIST "" top RETURN (STATUS (MESSAGES))').tells('* LIST (\\Noselect \\HasChildren) "/" top');
});

test('annotations are for who has l and one of r, s, w, i and p (RFC 5464 3.3)', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const b = await server.bob();
  const entry = '/private/comment';
  for (const rights of ['ri', 'l', 'la', 'lkx']) {
    await a.send(`CREATE ${rights}`).ok();
    await a.send(`SETACL ${rights} bob ${rights}`).ok();
    const mailbox = `"${alices}/${rights}"`;
    await b.send(`GETMETADATA ${mailbox} ${entry}`).no();
    await b.send(`SETMETADATA ${mailbox} (${entry} "x")`).no();
    const { untagged } = await b.send(`LIST "" ${mailbox} RETURN (METADATA (${entry}))`).ok();
    assert(!untagged.some((line) => line.startsWith('* METADATA ')), untagged.join('\n'));
  }
  for (const right of 'rswip') {
    const rights = `l${right}`;
    await a.send(`CREATE ${rights}`).ok();
    await a.send(`SETACL ${rights} bob ${rights}`).ok();
    const mailbox = `"${alices}/${rights}"`;
    await b.send(`SETMETADATA ${mailbox} (${entry} "${right}")`).ok();
    const told = `* METADATA ${mailbox} (${entry} "${right}")`;
    await b.send(`GETMETADATA ${mailbox} ${entry}`).tells(told);
    const list = b.send(`LIST "" ${mailbox} RETURN (METADATA (${entry}))`);
    const closed = right === 'r' ? '' : '\\Noselect ';
    await list.tells(`* LIST (${closed}\\HasNoChildren) "/" ${mailbox}`, told);
    if (right !== 'w') await b.send(`SETMETADATA ${mailbox} (/shared/comment "x")`).no('NOPERM');
  }
});

test('an account that cannot be reached keeps nobody from his own mailboxes', async () => {
  let isAway = false;
  await using harness = await openHarness();
  const accounts: AccountPorts = {
    open(accountId, actor) {
      if (isAway && actor !== undefined) throw new MailError('unavailable', 'its host is away');
      return harness.accounts.open(accountId, actor);
    },
  };
  const { port } = await harness.listen(imapFor(harness, { accounts }));
  using a = await ImapClient.login(port, 'alice');
  await a.send('SETACL INBOX bob lr').ok();
  using b = await ImapClient.login(port, 'bob');
  isAway = true;
  const { untagged } = await b.send('LIST "" "*"').ok();
  assert(untagged.includes('* LIST (\\HasNoChildren) "/" INBOX'), untagged.join('\n'));
  assert(untagged.every((line) => !line.includes('Other Users')));
  await b.send(`SELECT "${alices}/INBOX"`).no('UNAVAILABLE');
  isAway = false;
  await b.send(`SELECT "${alices}/INBOX"`).ok();
});

test('nobody logs in to an account that is shared', async () => {
  await using server = await openImapServer();
  await server.harness.addAccount('team', { shared: true });
  const client = await server.connect();
  await client.send('LOGIN team@example.test "correct horse"').no('AUTHENTICATIONFAILED');
});
