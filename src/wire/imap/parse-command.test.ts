import assert from 'node:assert/strict';
import { test } from 'node:test';
import { target } from '../../../test/fuzz/imap-command.fuzz.ts';
import { imapTranscripts } from '../../../test/imap-command-seeds.ts';
import { runCommands } from '../../../test/imap-command-stream.ts';
import type { Command } from './command.ts';

/** The one command of a transcript; `\n` stands for CRLF. */
function command(text: string, utf8 = false): Command {
  const outcomes = runCommands(`${text.replaceAll('\n', '\r\n')}\r\n`, { utf8 });
  const found = outcomes.find((outcome) => 'command' in outcome);
  assert(found !== undefined && 'command' in found, JSON.stringify(outcomes));
  return found.command;
}

/** The refusal of a transcript, as `BAD text` or `NO text`. */
function syntaxError(text: string, utf8 = false): string {
  const outcomes = runCommands(`${text.replaceAll('\n', '\r\n')}\r\n`, { utf8 });
  const found = outcomes.find((outcome) => 'syntax' in outcome);
  assert(found !== undefined && 'syntax' in found, JSON.stringify(outcomes));
  return `${found.tag ?? '*'} ${found.status} ${found.syntax}`;
}

test('LOGIN: atoms, quoted strings, literals of both kinds, UTF-8', () => {
  const expected = { tag: 'a', name: 'LOGIN', user: 'FRED FOOBAR', password: 'fat man' };
  assert.deepEqual(command('a LOGIN {11}\nFRED FOOBAR {7}\nfat man'), expected);
  assert.deepEqual(command('a login {11+}\nFRED FOOBAR {7+}\nfat man'), expected);
  assert.deepEqual(command('a Login "FRED FOOBAR" "fat man"'), expected);
  assert.deepEqual(command('a LOGIN me "q\\"\\\\x"'), {
    tag: 'a',
    name: 'LOGIN',
    user: 'me',
    password: 'q"\\x',
  });
  assert.deepEqual(command('a LOGIN me {0}\n'), { tag: 'a', name: 'LOGIN', user: 'me', password: '' });
  assert.deepEqual(command('a LOGIN "j\xc3\xb6rg" x]'), {
    tag: 'a',
    name: 'LOGIN',
    user: 'jörg',
    password: 'x]',
  });
  assert.equal(syntaxError('a LOGIN "j\xf6rg" x'), 'a BAD user name is not valid UTF-8');
  assert.equal(syntaxError('a LOGIN me {1}\n\0'), 'a BAD NUL is not allowed in password');
  assert.equal(syntaxError('a LOGIN me "a\0"'), 'a BAD quoted string has a forbidden character');
  assert.equal(syntaxError('a LOGIN me "a\\b"'), 'a BAD quoted string has a bad escape');
  assert.equal(syntaxError('a LOGIN me "a'), 'a BAD quoted string is not closed');
  assert.equal(syntaxError('a LOGIN me'), 'a BAD space expected but the command ended');
  assert.equal(syntaxError('a LOGIN me x y'), 'a BAD end of command expected: too many arguments');
  assert.equal(syntaxError('a LOGIN me {3}x'), 'a BAD literal expected');
  assert.equal(syntaxError('a LOGIN me ~{1}\nx'), 'a BAD end of command expected: too many arguments');
});

test('tags and names', () => {
  assert.deepEqual(command('A.1-] nOOp'), { tag: 'A.1-]', name: 'NOOP' });
  assert.equal(syntaxError(''), '* BAD tag expected but the command ended');
  assert.equal(syntaxError('+a NOOP'), '* BAD tag expected');
  assert.equal(syntaxError('a+ NOOP'), 'a BAD space expected');
  assert.equal(syntaxError(`${'a'.repeat(256)} NOOP`), '* BAD tag is too long');
  for (const text of ['a XYZZY', 'a', 'a ', 'a UID', 'a UID NOOP', 'a UID UID FETCH 1 UID'])
    assert.match(syntaxError(text), /^a BAD (unknown command|space expected)/);
});

test('AUTHENTICATE, ID, ENABLE', () => {
  assert.deepEqual(command('a AUTHENTICATE plain AHRlc3QAdGVzdA=='), {
    tag: 'a',
    name: 'AUTHENTICATE',
    mechanism: 'PLAIN',
    initialResponse: Buffer.from('\0test\0test'),
  });
  assert.deepEqual(command('a AUTHENTICATE EXTERNAL ='), {
    tag: 'a',
    name: 'AUTHENTICATE',
    mechanism: 'EXTERNAL',
    initialResponse: Buffer.alloc(0),
  });
  assert.equal(syntaxError('a AUTHENTICATE PLAIN AHR'), 'a BAD base64 expected');
  assert.deepEqual(command('a ID ("name" "sodr" "vendor" NIL)'), {
    tag: 'a',
    name: 'ID',
    fields: [
      ['name', 'sodr'],
      ['vendor', undefined],
    ],
  });
  assert.deepEqual(command('a ID NIL'), { tag: 'a', name: 'ID', fields: undefined });
  assert.equal(syntaxError(`a ID (${Array(31).fill('"a" "b"').join(' ')})`), 'a BAD too many ID fields');
  assert.deepEqual(command('a ENABLE condstore UTF8=ACCEPT'), {
    tag: 'a',
    name: 'ENABLE',
    capabilities: ['CONDSTORE', 'UTF8=ACCEPT'],
  });
});

test('SELECT with CONDSTORE and QRESYNC', () => {
  const plain = { tag: 'a', name: 'SELECT', mailbox: 'INBOX', condstore: false, qresync: undefined };
  assert.deepEqual(command('a SELECT inbox'), plain);
  assert.deepEqual(command('a SELECT INBOX (CONDSTORE)'), { ...plain, condstore: true });
  assert.deepEqual(command('a SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211 (1,3 41,43)))'), {
    ...plain,
    qresync: {
      uidValidity: 67890007,
      modSeq: Number.MAX_SAFE_INTEGER,
      knownUids: { saved: false, ranges: [41, 41, 43, 211] },
      match: {
        sequences: { saved: false, ranges: [1, 1, 3, 3] },
        uids: { saved: false, ranges: [41, 41, 43, 43] },
      },
    },
  });
  assert.equal(syntaxError('a SELECT a (QRESYNC (1 2 1:*))'), 'a BAD QRESYNC sets are plain numbers');
  assert.equal(syntaxError('a SELECT a (QRESYNC (0 2))'), 'a BAD QRESYNC numbers start at 1');
  assert.equal(syntaxError('a SELECT a (FOO)'), 'a BAD unknown SELECT parameter');
});

test('mailbox names: modified UTF-7 until UTF-8 is enabled, UTF-8 always (RFC 6855 section 3)', () => {
  assert.deepEqual(command('a DELETE "&ZeVnLIqe-/x y"'), { tag: 'a', name: 'DELETE', mailbox: '日本語/x y' });
  assert.deepEqual(command('a DELETE "&ZeVnLIqe-"', true), {
    tag: 'a',
    name: 'DELETE',
    mailbox: '&ZeVnLIqe-',
  });
  for (const utf8 of [true, false])
    assert.deepEqual(command('a DELETE "\xc3\xa9&"', utf8), { tag: 'a', name: 'DELETE', mailbox: 'é&' });
  assert.deepEqual(command('a RENAME inbox Inbox/Old'), {
    tag: 'a',
    name: 'RENAME',
    from: 'INBOX',
    to: 'Inbox/Old',
  });
  assert.equal(syntaxError('a DELETE "&Jjo"'), 'a NO mailbox name is not valid modified UTF-7');
  for (const utf8 of [true, false])
    assert.equal(syntaxError('a DELETE "\xc3"', utf8), 'a BAD mailbox name is not valid UTF-8');
});

test('CREATE USE and STATUS', () => {
  assert.deepEqual(command('a CREATE box (USE (\\drafts \\X))'), {
    tag: 'a',
    name: 'CREATE',
    mailbox: 'box',
    use: ['\\Drafts', '\\X'],
  });
  assert.equal(syntaxError('a CREATE box (FOO)'), 'a BAD unknown CREATE parameter');
  assert.deepEqual(command('a STATUS box (MESSAGES Size MESSAGES)'), {
    tag: 'a',
    name: 'STATUS',
    mailbox: 'box',
    items: ['MESSAGES', 'SIZE'],
  });
  assert.equal(syntaxError('a STATUS box ()'), 'a BAD STATUS item expected');
  assert.equal(syntaxError('a STATUS box (FOO)'), 'a BAD unknown STATUS item');
});

test('LIST: basic, extended, with STATUS', () => {
  const basic = {
    tag: 'a',
    name: 'LIST',
    reference: '',
    patterns: ['*'],
    select: { subscribed: false, remote: false, recursiveMatch: false, specialUse: false },
    return: {
      subscribed: false,
      children: false,
      specialUse: false,
      myRights: false,
      status: undefined,
      metadata: undefined,
    },
    extended: false,
  };
  assert.deepEqual(command('a LIST "" *'), basic);
  assert.deepEqual(command('a LIST "" ""'), { ...basic, patterns: [''] });
  assert.deepEqual(command('a LIST () "" ("INBOX" "&ZeVnLIqe-*" Sent/%)'), {
    ...basic,
    patterns: ['INBOX', '日本語*', 'Sent/%'],
    extended: true,
  });
  assert.deepEqual(
    command('a LIST (SUBSCRIBED RECURSIVEMATCH) "" * RETURN (CHILDREN STATUS (MESSAGES UNSEEN))'),
    {
      ...basic,
      select: { ...basic.select, subscribed: true, recursiveMatch: true },
      return: {
        subscribed: true,
        children: true,
        specialUse: false,
        myRights: false,
        status: ['MESSAGES', 'UNSEEN'],
        metadata: undefined,
      },
      extended: true,
    },
  );
  assert.deepEqual(command('a LIST (SPECIAL-USE) "" * RETURN ()').name, 'LIST');
  assert.equal(
    syntaxError('a LIST (REMOTE RECURSIVEMATCH) "" *'),
    'a BAD RECURSIVEMATCH needs another selection option',
  );
  assert.equal(syntaxError('a LIST "" * RETURN (FOO)'), 'a BAD unknown LIST return option');
  assert.deepEqual(command('a LIST "" % RETURN (MYRIGHTS)'), {
    ...basic,
    patterns: ['%'],
    return: { ...basic.return, myRights: true },
    extended: true,
  });
  assert.deepEqual(command('a LSUB "#news." "comp.*"'), {
    tag: 'a',
    name: 'LSUB',
    reference: '#news.',
    pattern: 'comp.*',
  });
});

test('APPEND: flags, date, literal8, UTF8, several messages', () => {
  const message = {
    flags: [] as string[],
    internalDate: undefined,
    size: 3,
    literal8: false,
    utf8: false,
    catenate: undefined,
    chunks: [Buffer.from('abc')],
  };
  assert.deepEqual(command('a APPEND box {3}\nabc'), {
    tag: 'a',
    name: 'APPEND',
    mailbox: 'box',
    messages: [message],
  });
  assert.deepEqual(
    command('a APPEND {3+}\nbox (\\seen $Work \\Seen) "17-Jul-1996 02:44:25 -0700" {3+}\nabc'),
    {
      tag: 'a',
      name: 'APPEND',
      mailbox: 'box',
      messages: [
        { ...message, flags: ['\\Seen', '$Work'], internalDate: Date.UTC(1996, 6, 17, 9, 44, 25) / 1000 },
      ],
    },
  );
  assert.deepEqual(command('a APPEND box ~{3}\na\0c'), {
    tag: 'a',
    name: 'APPEND',
    mailbox: 'box',
    messages: [{ ...message, literal8: true, chunks: [Buffer.from('a\0c')] }],
  });
  assert.deepEqual(command('a APPEND box UTF8 (~{3+}\nabc)'), {
    tag: 'a',
    name: 'APPEND',
    mailbox: 'box',
    messages: [{ ...message, literal8: true, utf8: true }],
  });
  assert.deepEqual(command('a APPEND box {3+}\nabc () {3+}\nabc'), {
    tag: 'a',
    name: 'APPEND',
    mailbox: 'box',
    messages: [message, message],
  });
  assert.equal(syntaxError('a APPEND box (\\Recent) {3+}\nabc'), 'a BAD no such system flag');
  assert.equal(syntaxError('a APPEND box "yesterday" {3+}\nabc'), 'a BAD date and time expected');
  assert.equal(syntaxError('a APPEND box abc'), 'a BAD message literal expected but the command ended');
  assert.equal(syntaxError('a APPEND box UTF8 ({3+}\nabc)'), "a BAD '~' expected");
});

test('STORE, COPY, MOVE, EXPUNGE', () => {
  const set = { saved: false, ranges: [2, 4] };
  const store = {
    tag: 'a',
    name: 'STORE',
    uid: false,
    set,
    mode: 'replace',
    silent: false,
    flags: ['\\Deleted'],
    unchangedSince: undefined,
  };
  assert.deepEqual(command('a STORE 2:4 +FLAGS (\\Deleted)'), { ...store, mode: 'add' });
  assert.deepEqual(command('a UID STORE 2:4 -FLAGS.SILENT \\deleted x'), {
    ...store,
    uid: true,
    mode: 'remove',
    silent: true,
    flags: ['\\Deleted', 'x'],
  });
  assert.deepEqual(command('a STORE 2:4 (UNCHANGEDSINCE 0) FLAGS ()'), {
    ...store,
    flags: [],
    unchangedSince: 0,
  });
  assert.equal(syntaxError('a STORE 2:4 FLAGZ (x)'), 'a BAD FLAGS expected');
  assert.equal(syntaxError('a STORE 0 FLAGS (x)'), 'a BAD valid sequence set expected');
  assert.equal(syntaxError(`a STORE 1 FLAGS ${'k'.repeat(129)}`), 'a BAD keyword is too long');
  assert.deepEqual(command('a UID MOVE 2:4 foo'), { tag: 'a', name: 'MOVE', uid: true, set, mailbox: 'foo' });
  assert.deepEqual(command('a COPY $ foo'), {
    tag: 'a',
    name: 'COPY',
    uid: false,
    set: { saved: true, ranges: [] },
    mailbox: 'foo',
  });
  assert.deepEqual(command('a UID EXPUNGE 2:4'), { tag: 'a', name: 'EXPUNGE', uid: true, set });
  assert.deepEqual(command('a EXPUNGE'), { tag: 'a', name: 'EXPUNGE', uid: false, set: undefined });
});

test('every transcript cut at every octet gives commands, refusals or a wish for more; never another error', () => {
  for (const transcript of imapTranscripts) {
    for (let end = 0; end <= transcript.length; end++) {
      const cut = transcript.slice(0, end);
      assert('needs' in runCommands(cut).at(-1)!);
      // The same with the line ended there: BAD instead of more.
      runCommands(`${cut}\r\n`);
    }
  }
});

test('what comes of the transcripts does not depend on the reads', async () => {
  for (const seed of target.seeds()) await target.run(seed);
});

test('ACL commands (RFC 4314): rights with their obsolete ones, added and taken; what is no right is BAD', () => {
  const set = { tag: 'a', name: 'SETACL', mailbox: 'INBOX/Drafts', identifier: 'Byron' };
  const given = { ...set, mode: 'replace', rights: 'lrswikte' };
  assert.deepEqual(command('a SetAcl INBOX/Drafts Byron lrswikd'), given);
  assert.deepEqual(command('a SETACL INBOX/Drafts Byron +cda'), { ...set, mode: 'add', rights: 'kxtea' });
  assert.deepEqual(command('a SETACL INBOX/Drafts Byron -c'), { ...set, mode: 'remove', rights: 'kx' });
  assert.deepEqual(command('a SETACL INBOX/Drafts Byron ""'), { ...set, mode: 'replace', rights: '' });
  assert.deepEqual(command('a SETACL INBOX/Drafts {6+}\n-Byron lr'), {
    ...set,
    identifier: '-Byron',
    mode: 'replace',
    rights: 'lr',
  });
  for (const rights of ['lrQswicda', 'lrqswicda', '++l', 'l-r', '0'])
    assert.equal(syntaxError(`a SETACL INBOX/Drafts John ${rights}`), 'a BAD unknown right');
  assert.equal(syntaxError('a SETACL INBOX "" lr'), 'a BAD identifier expected');
  assert.equal(syntaxError('a SETACL INBOX "-" lr'), 'a BAD identifier expected');
  assert.deepEqual(command('a DELETEACL x y'), {
    tag: 'a',
    name: 'DELETEACL',
    mailbox: 'x',
    identifier: 'y',
  });
  assert.deepEqual(command('a LISTRIGHTS x y'), {
    tag: 'a',
    name: 'LISTRIGHTS',
    mailbox: 'x',
    identifier: 'y',
  });
  assert.deepEqual(command('a GETACL x'), { tag: 'a', name: 'GETACL', mailbox: 'x' });
  assert.deepEqual(command('a MYRIGHTS inbox'), { tag: 'a', name: 'MYRIGHTS', mailbox: 'INBOX' });
});
