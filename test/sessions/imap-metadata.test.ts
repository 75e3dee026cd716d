// METADATA (RFC 5464) and LIST-METADATA (RFC 9590), after the RFCs' examples.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openImapServer } from './imap-server.ts';

const highestModSeq = 'STATUS INBOX (HIGHESTMODSEQ)';

test('annotations of mailboxes and of the server are set, told and removed', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('GETMETADATA INBOX /private/comment').tells('* METADATA INBOX (/private/comment NIL)');
  const before = (await a.send(highestModSeq).ok()).untagged[0];
  await a.send('SETMETADATA INBOX (/private/comment {33+}\r\nMy new comment across\r\ntwo lines.\r\n)').bad();
  await a.send('SETMETADATA INBOX (/private/comment {32+}\r\nMy new comment across\r\ntwo lines)').ok();
  // RFC 7162 3.2: the mailbox's mod-sequence rises.
  assert.notEqual((await a.send(highestModSeq).ok()).untagged[0], before);
  await a
    .send('GETMETADATA "INBOX" /Private/COMMENT')
    .tells('* METADATA INBOX (/private/comment {32}\r\nMy new comment across\r\ntwo lines)');
  await a
    .send('SETMETADATA INBOX (/private/comment "My own comment" /shared/comment "Its sunny \\"outside\\"!")')
    .ok();
  await a
    .send('GETMETADATA INBOX (/shared/comment /private/comment /private/none)')
    .tells(
      '* METADATA INBOX (/shared/comment "Its sunny \\"outside\\"!" /private/comment "My own comment" /private/none NIL)',
    );
  await a.send('SETMETADATA INBOX (/private/comment NIL)').ok();
  await a.send('GETMETADATA INBOX /private/comment').tells('* METADATA INBOX (/private/comment NIL)');
  await a.send('SETMETADATA "" (/private/vendor/test/colour "blue")').ok();
  await a
    .send('GETMETADATA "" /private/vendor/test/colour')
    .tells('* METADATA "" (/private/vendor/test/colour "blue")');
  await a.send('SETMETADATA "" (/shared/comment "mine")').no('NOPERM');
  await a.send('GETMETADATA "" /shared/comment').tells('* METADATA "" (/shared/comment NIL)');
  const b = await server.bob();
  await b
    .send('GETMETADATA "" /private/vendor/test/colour')
    .tells('* METADATA "" (/private/vendor/test/colour NIL)');
  // Octets of all kinds.
  await a.send('SETMETADATA INBOX (/private/bytes ~{4+}\r\na\0\r\xff)').ok();
  await a
    .send('GETMETADATA INBOX /private/bytes')
    .tells('* METADATA INBOX (/private/bytes ~{4}\r\na\0\r\xff)');
  await a.send('SETMETADATA INBOX (/private/bytes "")').ok();
  await a.send('GETMETADATA INBOX /private/bytes').tells('* METADATA INBOX (/private/bytes "")');
});

test('MAXSIZE leaves long values out, DEPTH looks below', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const long = 'x'.repeat(2199);
  await a
    .send(`SETMETADATA INBOX (/shared/comment {2199+}\r\n${long} /private/comment "My own comment")`)
    .ok();
  const mine = '* METADATA INBOX (/private/comment "My own comment")';
  for (const options of ['(MAXSIZE 1024) INBOX', 'INBOX (MAXSIZE 1024)']) {
    const answer = await a.send(`GETMETADATA ${options} (/shared/comment /private/comment)`).ok();
    assert.deepEqual([answer.code, answer.untagged], ['METADATA LONGENTRIES 2199', [mine]]);
  }
  await a
    .send('SETMETADATA INBOX (/private/filters/values/small "SMALLER 5000" /private/filters/values/a/b "x")')
    .ok();
  const small = '/private/filters/values/small "SMALLER 5000"';
  await a.send('GETMETADATA INBOX (DEPTH 1) (/private/filters/values)').tells(`* METADATA INBOX (${small})`);
  await a
    .send('GETMETADATA INBOX (DEPTH infinity) /private/filters/values')
    .tells(`* METADATA INBOX (/private/filters/values/a/b "x" ${small})`);
  await a
    .send('GETMETADATA (DEPTH infinity MAXSIZE 100) INBOX /private')
    .tells(`* METADATA INBOX (/private/comment "My own comment" /private/filters/values/a/b "x" ${small})`);
  await a.send('GETMETADATA INBOX (DEPTH 1) /shared/none').tells();
});

test('what is no entry, too large or too much is refused, and nothing of it is set', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  for (const command of [
    'GETMETADATA INBOX /comment',
    'GETMETADATA INBOX /private//comment',
    'GETMETADATA INBOX /private/comment/',
    'GETMETADATA INBOX "/private/a*b"',
    'GETMETADATA INBOX "/private/a%b"',
    'GETMETADATA INBOX "/private/\xe9"',
    'GETMETADATA INBOX ()',
    'GETMETADATA INBOX (DEPTH 2) /private/comment',
    'GETMETADATA INBOX (SIZE 2) /private/comment',
    'SETMETADATA INBOX (/private "x")',
    'SETMETADATA INBOX (/private/vendor/x "x")',
    'SETMETADATA INBOX (/private/comment)',
    'SETMETADATA INBOX (/private/comment x)',
    'SETMETADATA INBOX ()',
    'SETMETADATA INBOX',
  ]) {
    await a.send(command).bad();
  }
  await a.send('GETMETADATA Nowhere /private/comment').no('NONEXISTENT');
  await a.send('SETMETADATA Nowhere (/private/comment "x")').no('NONEXISTENT');
  const large = 'x'.repeat(16_385);
  await a
    .send(`SETMETADATA INBOX (/private/a "a" /private/large {16385+}\r\n${large})`)
    .no('METADATA MAXSIZE 16384');
  const many = Array.from({ length: 100 }, (_, index) => `/private/n${index} "${index}"`).join(' ');
  await a.send('SETMETADATA INBOX (/private/comment "x")').ok();
  await a.send(`SETMETADATA INBOX (${many})`).no('METADATA TOOMANY');
  await a
    .send('GETMETADATA INBOX (DEPTH infinity) (/private /shared)')
    .tells('* METADATA INBOX (/private/comment "x")');
});

test('annotations follow a renamed mailbox, and go with a deleted one; INBOX keeps its own', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('CREATE foo').ok();
  await a.send('SETMETADATA foo (/shared/comment "of foo")').ok();
  await a.send('RENAME foo bar').ok();
  await a.send('GETMETADATA bar /shared/comment').tells('* METADATA bar (/shared/comment "of foo")');
  await a.send('DELETE bar').ok();
  await a.send('CREATE bar').ok();
  await a.send('GETMETADATA bar /shared/comment').tells('* METADATA bar (/shared/comment NIL)');
  await a.send('SETMETADATA INBOX (/shared/comment "of the inbox")').ok();
  await a.send('RENAME INBOX old').ok();
  for (const mailbox of ['INBOX', 'old']) {
    await a
      .send(`GETMETADATA ${mailbox} /shared/comment`)
      .tells(`* METADATA ${mailbox} (/shared/comment "of the inbox")`);
  }
});

test('LIST returns annotations', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('SETMETADATA INBOX (/shared/vendor/test/colour "#b71c1c")').ok();
  await a
    .send('LIST "" (INBOX Trash) RETURN (METADATA ("/shared/vendor/test/colour"))')
    .tells(
      '* LIST (\\HasNoChildren) "/" INBOX',
      '* METADATA INBOX (/shared/vendor/test/colour "#b71c1c")',
      '* LIST (\\HasNoChildren \\Trash) "/" Trash',
      '* METADATA Trash (/shared/vendor/test/colour NIL)',
    );
  await a.send('LIST "" INBOX RETURN (METADATA ())').bad();
  await a.send('LIST "" INBOX RETURN (METADATA (colour))').bad();
});

test('RFC 6154 section 4: /private/specialuse tells the special use, and is not set', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const drafts = '* METADATA Drafts (/private/specialuse "\\\\Drafts")';
  await a.send('GETMETADATA Drafts /private/specialuse').tells(drafts);
  await a.send('GETMETADATA Drafts (DEPTH 1) /private').tells(drafts);
  await a.send('GETMETADATA INBOX /private/specialuse').tells('* METADATA INBOX (/private/specialuse NIL)');
  await a.send('SETMETADATA INBOX (/private/specialuse "\\\\Flagged" /private/comment "x")').no('CANNOT');
  await a.send('SETMETADATA Drafts (/PRIVATE/SpecialUse NIL)').no('CANNOT');
  await a
    .send('GETMETADATA INBOX (/private/specialuse /private/comment)')
    .tells('* METADATA INBOX (/private/specialuse NIL /private/comment NIL)');
  await a
    .send('LIST "" Drafts RETURN (METADATA ("/private/specialuse"))')
    .tells('* LIST (\\HasNoChildren \\Drafts) "/" Drafts', drafts);
  await a.send('SETACL Drafts bob@example.test lr').ok();
  const b = await server.bob();
  await b
    .send('GETMETADATA "Other Users/alice@example.test/Drafts" /private/specialuse')
    .tells('* METADATA "Other Users/alice@example.test/Drafts" (/private/specialuse NIL)');
});
