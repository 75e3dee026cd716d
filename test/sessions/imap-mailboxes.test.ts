import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, type ImapClient, mail } from './imap-client.ts';
import { openImapServer } from './imap-server.ts';

/** Names of a LIST or LSUB answer. */
const names = (answer: Answer): string[] => answer.untagged.map((line) => /"\/" "?([^"]*)"?/.exec(line)![1]!);

/** A new account is subscribed to what it came with. */
async function unsubscribe(client: ImapClient): Promise<void> {
  for (const name of ['INBOX', 'Archive', 'Drafts', 'Junk', 'Sent', 'Trash']) {
    await client.send(`UNSUBSCRIBE ${name}`).ok();
  }
}

test('CREATE makes superiors, DELETE leaves children, RENAME takes them along', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('CREATE work/2026/plans').ok(/^MAILBOXID \(F\d+\)$/);
  await a.send('CREATE work/2026').no('ALREADYEXISTS');
  await a.send('CREATE inbox').no('ALREADYEXISTS');
  await a.send('CREATE Inbox/lists/').ok();
  assert.deepEqual(names(await a.send('LIST "" work*').ok()), ['work', 'work/2026', 'work/2026/plans']);
  await a.send('RENAME work job').ok();
  assert.deepEqual(names(await a.send('LIST "" "*o*"').ok()), ['job', 'job/2026', 'job/2026/plans']);
  await a.send('DELETE job/2026').ok();
  await a
    .send('LIST "" job*')
    .tells(
      '* LIST (\\HasChildren) "/" job',
      '* LIST (\\Noselect \\HasChildren) "/" job/2026',
      '* LIST (\\HasNoChildren) "/" job/2026/plans',
    );
  await a.send('SELECT job/2026').no('NONEXISTENT');
  await a.send('STATUS job/2026 (MESSAGES)').no('NONEXISTENT');
  // What is only a place may be made a mailbox, and stays while there is something below it.
  await a.append('job/2026', mail('one')).no('TRYCREATE');
  await a.append('INBOX', mail('one')).ok();
  await a.send('SELECT INBOX').ok();
  await a.send('COPY 1 job/2026').no('TRYCREATE');
  await a.send('DELETE job/2026').no('HASCHILDREN');
  await a.send('CREATE job/2026').ok();
  await a.append('job/2026', mail('one')).ok();
  await a.send('DELETE INBOX').no('CANNOT');
  await a.send('DELETE nothing').no('NONEXISTENT');
  await a.send('RENAME nothing else').no('NONEXISTENT');
  await a.send('SELECT nothing').no('NONEXISTENT');
});

test('LIST patterns and options', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('LIST "" ""').tells('* LIST (\\Noselect) "/" ""');
  await unsubscribe(a);
  await a.send('CREATE a/b/c').ok();
  await a.send('SUBSCRIBE a/b').ok();
  await a.send('SUBSCRIBE a/b/c').ok();
  await a.send('SUBSCRIBE gone/away').ok();
  assert.deepEqual(names(await a.send('LIST "" a/%').ok()), ['a/b']);
  assert.deepEqual(names(await a.send('LIST a/ %').ok()), ['a/b']);
  assert.deepEqual(names(await a.send('LIST "" a*c').ok()), ['a/b/c']);
  assert.deepEqual(names(await a.send('LIST "" inbox').ok()), ['INBOX']);
  assert.deepEqual(names(await a.send('LIST "" (Trash a/%)').ok()), ['Trash', 'a/b']);
  await a
    .send('LIST (SPECIAL-USE) "" *')
    .tells(
      '* LIST (\\HasNoChildren \\Archive) "/" Archive',
      '* LIST (\\HasNoChildren \\Drafts) "/" Drafts',
      '* LIST (\\HasNoChildren \\Junk) "/" Junk',
      '* LIST (\\HasNoChildren \\Sent) "/" Sent',
      '* LIST (\\HasNoChildren \\Trash) "/" Trash',
    );
  await a
    .send('LIST (SUBSCRIBED) "" *')
    .tells(
      '* LIST (\\HasChildren \\Subscribed) "/" a/b',
      '* LIST (\\HasNoChildren \\Subscribed) "/" a/b/c',
      '* LIST (\\NonExistent \\HasNoChildren \\Subscribed) "/" gone/away',
    );
  await a
    .send('LIST (SUBSCRIBED RECURSIVEMATCH) "" %')
    .tells(
      '* LIST (\\HasChildren) "/" a ("CHILDINFO" ("SUBSCRIBED"))',
      '* LIST (\\NonExistent \\HasNoChildren) "/" gone ("CHILDINFO" ("SUBSCRIBED"))',
    );
  // Whatever a mailbox below is chosen by (RFC 5258 3.1).
  await a.send('RENAME Junk a/Junk').ok();
  await a
    .send('LIST (SPECIAL-USE RECURSIVEMATCH) "" (a Trash)')
    .tells(
      '* LIST (\\HasNoChildren \\Trash) "/" Trash',
      '* LIST (\\HasChildren) "/" a ("CHILDINFO" ("SPECIAL-USE"))',
    );
  await a.send('LIST (SPECIAL-USE SUBSCRIBED RECURSIVEMATCH) "" %').tells();
  await a.send('SUBSCRIBE a/Junk').ok();
  await a
    .send('LIST (SPECIAL-USE SUBSCRIBED RECURSIVEMATCH) "" %')
    .tells('* LIST (\\HasChildren) "/" a ("CHILDINFO" ("SUBSCRIBED" "SPECIAL-USE"))');
  await a
    .send('LIST "" a/b RETURN (SUBSCRIBED CHILDREN STATUS (MESSAGES UIDNEXT))')
    .tells('* LIST (\\HasChildren \\Subscribed) "/" a/b', '* STATUS a/b (MESSAGES 0 UIDNEXT 1)');
});

test('LSUB shows superiors of subscribed names for %', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await unsubscribe(a);
  await a.send('CREATE a/b/c').ok();
  await a.send('SUBSCRIBE a/b/c').ok();
  await a.send('SUBSCRIBE INBOX').ok();
  await a.send('LSUB "" *').tells('* LSUB () "/" INBOX', '* LSUB () "/" a/b/c');
  await a.send('LSUB "" %').tells('* LSUB () "/" INBOX', '* LSUB (\\Noselect) "/" a');
  await a.send('UNSUBSCRIBE a/b/c').ok();
  await a.send('LSUB "" *').tells('* LSUB () "/" INBOX');
});

test('special uses: one mailbox each', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('CREATE more (USE (\\Sent))').no('USEATTR');
  await a.send('CREATE more (USE (\\All))').no('USEATTR');
  await a.send('DELETE Sent').ok();
  await a.send('CREATE more (USE (\\Sent))').ok(/^MAILBOXID/);
  await a.send('LIST "" more').tells('* LIST (\\HasNoChildren \\Sent) "/" more');
});

test('names in modified UTF-7, and in UTF-8 once that is enabled', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('CREATE "~peter/mail/&U,BTFw-/&ZeVnLIqe-"').ok();
  await a.send('CREATE "R&-D \\"x\\""').ok();
  await a.send('CREATE "&Jjo!"').no();
  await a.send('CREATE "&AGE-"').no();
  await a.send('LIST "" "~*/%/%/%"').tells('* LIST (\\HasNoChildren) "/" ~peter/mail/&U,BTFw-/&ZeVnLIqe-');
  await a.send('LIST "" R*').tells('* LIST (\\HasNoChildren) "/" "R&-D \\"x\\""');
  await a.send('ENABLE UTF8=ACCEPT').tells('* ENABLED UTF8=ACCEPT');
  const utf8 = (text: string): string => Buffer.from(text).toString('latin1');
  await a.send('LIST "" "~*/%/%/%"').tells(utf8('* LIST (\\HasNoChildren) "/" "~peter/mail/台北/日本語"'));
  await a
    .send(utf8('STATUS "~peter/mail/台北/日本語" (MESSAGES)'))
    .tells(utf8('* STATUS "~peter/mail/台北/日本語" (MESSAGES 0)'));
  await a.send('LIST "" R*').tells('* LIST (\\HasNoChildren) "/" "R&D \\"x\\""');
});

test('STATUS tells what SELECT would', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.append('INBOX', mail('one')).ok();
  await a.append('INBOX', mail('two'), '(\\Seen \\Deleted)').ok();
  const size = mail('one').length + mail('two').length;
  const answer = await a
    .send(
      'STATUS inbox (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ MAILBOXID APPENDLIMIT)',
    )
    .ok();
  assert.match(
    answer.untagged[0]!,
    new RegExp(
      '^\\* STATUS INBOX \\(MESSAGES 2 RECENT 2 UIDNEXT 3 UIDVALIDITY \\d+ UNSEEN 1 DELETED 1 ' +
        `SIZE ${size} HIGHESTMODSEQ \\d+ MAILBOXID \\(F1\\) APPENDLIMIT 52428800\\)$`,
    ),
  );
  await a.send('SELECT INBOX').ok();
  await a.send('STATUS INBOX (RECENT)').tells('* STATUS INBOX (RECENT 0)');
});

test('SELECT: what it tells, EXAMINE, revision 2, and a second SELECT', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.append('INBOX', mail('one'), '(\\Seen)').ok();
  await a.append('INBOX', mail('two'), '($Work)').ok();
  const examined = await a.send('EXAMINE INBOX').ok('READ-ONLY');
  const uidValidity = /UIDVALIDITY (\d+)/.exec(examined.untagged.join('\n'))![1];
  const modSeq = /HIGHESTMODSEQ (\d+)/.exec(examined.untagged.join('\n'))![1];
  assert.deepEqual(examined.untagged, [
    '* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work)',
    '* OK [PERMANENTFLAGS ()] No permanent flags permitted',
    '* 2 EXISTS',
    '* 2 RECENT',
    '* OK [UNSEEN 2] First unseen',
    `* OK [UIDVALIDITY ${uidValidity}] UIDs valid`,
    '* OK [UIDNEXT 3] Predicted next UID',
    `* OK [HIGHESTMODSEQ ${modSeq}] Highest`,
    '* OK [MAILBOXID (F1)] Ok',
  ]);
  for (const command of ['STORE 1 FLAGS ()', 'EXPUNGE', 'UID EXPUNGE 1', 'MOVE 1 Trash'])
    await a.send(command).no('NOPERM');
  await a.send('FETCH 2 BODY[TEXT]').tells('* 2 FETCH (BODY[TEXT] {7}\r\nHello\r\n)');
  await a.send('FETCH 2 FLAGS').tells('* 2 FETCH (FLAGS ($Work \\Recent))');
  await a.send('ENABLE IMAP4rev2').tells('* ENABLED IMAP4rev2');
  const selected = await a.send('SELECT INBOX').ok('READ-WRITE');
  assert.deepEqual(selected.untagged, [
    '* OK [CLOSED] Previous mailbox is closed',
    '* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work)',
    '* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work \\*)] Flags permitted',
    '* 2 EXISTS',
    '* LIST () "/" INBOX',
    `* OK [UIDVALIDITY ${uidValidity}] UIDs valid`,
    '* OK [UIDNEXT 3] Predicted next UID',
    `* OK [HIGHESTMODSEQ ${modSeq}] Highest`,
    '* OK [MAILBOXID (F1)] Ok',
  ]);
  await a.send('SELECT nothing').no('NONEXISTENT');
  await a.send('FETCH 1 FLAGS').bad();
});

test('revision 2: who writes a name in another way is told how it is written (RFC 9051 6.3.9.7)', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const utf8 = (text: string): string => Buffer.from(text).toString('latin1');
  await a.send('ENABLE IMAP4rev2').ok();
  const apart = 'Entwu\u0308rfe';
  const told = utf8(`* LIST () "/" "Entw\u00fcrfe" ("OLDNAME" ("${apart}"))`);
  await a.send(utf8(`CREATE "${apart}"`)).tells(told);
  assert((await a.send(utf8(`SELECT "${apart}"`)).ok()).untagged.includes(told));
  const own = utf8('* LIST () "/" "Entw\u00fcrfe"');
  assert((await a.send(utf8('SELECT "Entw\u00fcrfe"')).ok()).untagged.includes(own));
  await a.send('CREATE iNbOx/below').tells('* LIST () "/" INBOX/below ("OLDNAME" (iNbOx/below))');
  await a.send('CREATE plain/').tells();
  assert((await a.send('EXAMINE inbox').ok()).untagged.includes('* LIST () "/" INBOX'));
});

test('revision 2: RENAME, DELETE and APPEND tell what a mailbox is called (RFC 9051 6.3.5, 6.3.6, 6.3.12)', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const utf8 = (text: string): string => Buffer.from(text).toString('latin1');
  const [apart, joined] = ['Entwu\u0308rfe', 'Entw\u00fcrfe'];
  await a.send('CREATE old').tells();
  await a.send('RENAME old new').tells();
  await a.send('ENABLE IMAP4rev2').ok();
  await a.send('RENAME new old').tells('* LIST () "/" old ("OLDNAME" (new))');
  await a.send(utf8(`RENAME old "${apart}"`)).tells(utf8(`* LIST () "/" "${joined}" ("OLDNAME" (old))`));
  await a.send(utf8(`CREATE "${apart}/in it"`)).ok();
  const message = mail('one');
  const append = `APPEND "${apart}" {${message.length}+}\r\n${message}`;
  await a.send(utf8(append)).tells(utf8(`* LIST () "/" "${joined}" ("OLDNAME" ("${apart}"))`));
  // As elsewhere: one mailbox, however its name is written (5.1).
  await a.send(utf8(`LIST "" "${apart}"`)).tells(utf8(`* LIST (\\HasChildren) "/" "${joined}"`));
  await a.send(utf8(`LIST "" "Entwu\u0308%"`)).tells(utf8(`* LIST (\\HasChildren) "/" "${joined}"`));
  const searched = await a.send(utf8(`ESEARCH IN (mailboxes "${apart}") ALL`)).ok();
  assert.equal(searched.untagged.length, 1);
  await a
    .send(utf8(`DELETE "${apart}"`))
    .tells(utf8(`* LIST (\\Noselect) "/" "${joined}" ("OLDNAME" ("${apart}"))`));
  await a
    .send(utf8(`DELETE "${apart}/in it"`))
    .tells(utf8(`* LIST (\\NonExistent) "/" "${joined}/in it" ("OLDNAME" ("${apart}/in it"))`));
  await a.send(utf8(`DELETE "${joined}"`)).tells();
  await a.send('RENAME INBOX kept').tells();
  await a.send('RENAME kept INBOX/kept/').tells('* LIST () "/" INBOX/kept ("OLDNAME" (kept))');
  await a.send('RENAME iNbOx/kept x').tells('* LIST () "/" x ("OLDNAME" (iNbOx/kept))');
  await a.send(utf8(`RENAME INBOX "${apart}"`)).tells(utf8(`* LIST () "/" "${joined}" ("OLDNAME" (INBOX))`));
  await a.send('DELETE x').tells();
});

test('a selected mailbox that is deleted: by the session itself, by another', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const b = await server.alice();
  await a.send('CREATE temp').ok();
  await a.send('SELECT temp').ok();
  await b.send('SELECT temp').ok();
  await a.send('DELETE temp').ok();
  await a.send('CHECK').bad();
  await b.send('NOOP').ok();
  assert.equal(await b.line(), '* BYE Selected mailbox is no longer there');
});

test('renaming INBOX moves its messages and leaves it empty', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.append('INBOX', mail('one')).ok();
  await a.send('RENAME INBOX old').ok();
  await a.send('STATUS INBOX (MESSAGES)').tells('* STATUS INBOX (MESSAGES 0)');
  await a.send('STATUS old (MESSAGES)').tells('* STATUS old (MESSAGES 1)');
});
