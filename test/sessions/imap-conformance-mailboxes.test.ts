// Conformance: LIST with odd patterns, the dates and zones of APPEND, the parts of CATENATE.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asksDovecot, fetched, listed, openConformanceServer, or } from './conformance-server.ts';
import { type ImapClient, mail } from './imap-client.ts';

const leaf = '\\HasNoChildren';
const branch = '\\HasChildren';
/** A place in the hierarchy that is no mailbox. */
const place = '\\HasChildren \\Noselect';

/** Takes away what lies on the way to other mailboxes: Dovecot has not made it. */
async function onlyPlaces(a: ImapClient, ...names: readonly string[]): Promise<void> {
  if (!asksDovecot) for (const name of names) await a.send(`DELETE ${name}`).ok();
}

test('LIST: wildcards, references, names with wildcards in them', async () => {
  await using server = await openConformanceServer();
  const a = await server.alice();
  for (const name of ['a/b/c', 'x/y/z', 'foo.bar', 'a b', 'INBOX/sub', 'UP', 'up', 'w*x'])
    await a.send(`CREATE "${name}"`).ok();
  await onlyPlaces(a, 'a/b', 'x', 'x/y');
  // Ours made it on the way to a/b/c.
  if (asksDovecot) await a.send('CREATE a').ok();
  const level = {
    INBOX: branch,
    UP: leaf,
    a: branch,
    'a b': leaf,
    'foo.bar': leaf,
    up: leaf,
    'w*x': leaf,
    x: place,
  };
  const second = { 'INBOX/sub': leaf, 'a/b': place, 'x/y': place };
  const third = { 'a/b/c': leaf, 'x/y/z': leaf };
  const everything = { ...level, ...second, ...third };
  for (const [args, expected] of [
    ['"" %', level],
    ['"" *', everything],
    ['"" **', everything],
    ['"" "*%"', everything],
    ['"" "%*"', everything],
    ['"" "%/%"', second],
    ['"" "%/%/%"', third],
    ['"" "%/%/%/%"', {}],
    ['"" "*/c"', { 'a/b/c': leaf }],
    ['"" "*c"', { 'a/b/c': leaf }],
    ['"" a%', { a: branch, 'a b': leaf }],
    ['"" a*', { a: branch, 'a b': leaf, 'a/b': place, 'a/b/c': leaf }],
    // INBOX is matched in upper case (RFC 3501 6.3.8); Dovecot does so in any case.
    ['"" "%b%"', { 'a b': leaf, 'foo.bar': leaf, ...or({}, { INBOX: branch }) }],
    ['"" "a/%"', { 'a/b': place }],
    ['"a/" %', { 'a/b': place }],
    ['"a/" *', { 'a/b': place, 'a/b/c': leaf }],
    ['"" up', { up: leaf }],
    ['"" inbox', { INBOX: branch }],
    ['"" "inbox/%"', { 'INBOX/sub': leaf }],
    ['"" {1+}\r\n%', level],
    ['"" "w*x"', { 'w*x': leaf }],
    ['"" nothing', {}],
    ['"" "a/b/"', {}],
    ['"" "/%"', {}],
  ] as const)
    assert.deepEqual(listed(await a.send(`LIST ${args}`).ok()), expected, args);
  const delimiter = await a.send('LIST "" ""').ok();
  assert.deepEqual(delimiter.untagged, ['* LIST (\\Noselect) "/" ""']);
  // The reference is put before the pattern as it is; Dovecot wants a delimiter between them.
  if (!asksDovecot) assert.deepEqual(listed(await a.send('LIST "a/b" "/c"').ok()), { 'a/b/c': leaf });
  await a.send('LIST ""').bad();
  await a.send('LIST "" (').bad();
});

test('LIST: selection and return options, children of what is not there', async () => {
  await using server = await openConformanceServer();
  const a = await server.alice();
  for (const name of ['a/b/c', 'x/y/z', 'lone']) await a.send(`CREATE ${name}`).ok();
  await onlyPlaces(a, 'a', 'a/b', 'x', 'x/y');
  await a.send('SUBSCRIBE a/b/c').ok();
  await a.send('SUBSCRIBE lone').ok();
  await a.send('UNSUBSCRIBE INBOX').ok();
  // The name stays subscribed when the mailbox is gone.
  await a.send('DELETE lone').ok();
  const children = async (args: string): Promise<string[]> =>
    Object.entries(listed(await a.send(`LIST ${args} RETURN (CHILDREN)`).ok())).map(
      ([name, attributes]) => `${name} ${attributes}`,
    );
  assert.deepEqual((await children('"" (a a/%)')).sort(), [`a ${place}`, `a/b ${place}`]);
  assert.deepEqual(await children('(SUBSCRIBED) "" a/*'), [`a/b/c ${leaf} \\Subscribed`]);
  const recursive = await a.send('LIST (SUBSCRIBED RECURSIVEMATCH) "" a').ok();
  assert.equal(recursive.untagged.length, 1);
  assert.match(recursive.untagged[0]!, /^\* LIST \(.*\) "\/" a \("?CHILDINFO"? \("SUBSCRIBED"\)\)$/i);
  // Dovecot forgets the subscription with the mailbox.
  if (!asksDovecot) {
    const gone = await a.send('LIST (SUBSCRIBED) "" lone').ok();
    assert.deepEqual(gone.untagged, ['* LIST (\\NonExistent \\HasNoChildren \\Subscribed) "/" lone']);
  }
  const status = await a.send('LIST "" (x x/*) RETURN (STATUS (MESSAGES UIDNEXT))').ok();
  assert.deepEqual(
    status.untagged.filter((line) => line.startsWith('* STATUS')),
    ['* STATUS x/y/z (MESSAGES 0 UIDNEXT 1)'],
  );
  for (const wrong of ['(RECURSIVEMATCH) "" %', '(FOO) "" %', '"" % RETURN (FOO)', '"" % RETURN (STATUS)'])
    await a.send(`LIST ${wrong}`).bad();
});

test('APPEND: dates and zones', async () => {
  await using server = await openConformanceServer();
  const a = await server.alice('INBOX');
  const dates: readonly (readonly [string, string])[] = [
    ['17-Jul-1996 02:44:25 -0700', '17-Jul-1996 09:44:25 +0000'],
    [' 7-Jul-1996 02:44:25 +0000', '7-Jul-1996 02:44:25 +0000'],
    ['07-Jul-1996 02:44:25 +0130', '7-Jul-1996 01:14:25 +0000'],
    ['29-Feb-2024 23:59:59 +1400', '29-Feb-2024 09:59:59 +0000'],
    ['01-jan-2020 00:00:00 -1200', '1-Jan-2020 12:00:00 +0000'],
    // Dovecot's dates begin in 1970 and end in 2037.
    ...(asksDovecot
      ? []
      : ([
          ['20-Jan-2038 00:00:00 +0000', '20-Jan-2038 00:00:00 +0000'],
          ['31-Dec-1969 23:59:59 +0000', '31-Dec-1969 23:59:59 +0000'],
          ['01-Jan-9999 00:00:00 +0000', '1-Jan-9999 00:00:00 +0000'],
        ] as const)),
  ];
  for (const [at, [date, expected]] of dates.entries()) {
    await a.append('INBOX', mail('d'), `"${date}"`).ok();
    const { [at + 1]: items } = fetched(await a.send(`FETCH ${at + 1} INTERNALDATE`).ok());
    assert.equal(items!.INTERNALDATE!.replace(/^[ 0](?=\d-)/, ''), expected, date);
  }
  // Refused, but the literal is read all the same: what follows is a command again. Dovecot takes some of them, and what it
  // does not take it reads as commands.
  if (!asksDovecot)
    for (const wrong of [
      ...['29-Feb-2023 12:00:00 +0000', '01-Jan-2020 24:00:00 +0000', '01-Jan-2020 23:60:00 +0000'],
      ...['01-Jan-2020 00:00:00 GMT', '01-Jan-2020 00:00:00', '01-Jan-20 00:00:00 +0000', ''],
      ...['00-Jan-2020 00:00:00 +0000', '01-Foo-2020 00:00:00 +0000', '01-Jan-2020 00:00:00 +0060'],
    ]) {
      await a.append('INBOX', mail('d'), `"${wrong}"`).bad();
      assert.deepEqual((await a.send('NOOP').ok()).untagged, []);
    }
});

test('CATENATE: texts, URLs of parts, literal8 (RFC 4469)', async () => {
  await using server = await openConformanceServer();
  const a = await server.alice();
  const text = (bytes: string): string => `TEXT {${bytes.length}+}\r\n${bytes}`;
  const source = 'Subject: s\r\n\r\n0123456789\r\n';
  await a.append('INBOX', source).ok();
  await a.send('SELECT INBOX').ok();
  let stored = 1;
  const catenated = async (parts: string, expected: string): Promise<void> => {
    await a.send(`APPEND INBOX CATENATE (${parts})`).ok(/^APPENDUID /);
    stored++;
    const answer = fetched(await a.send(`FETCH ${stored} (RFC822.SIZE BODY.PEEK[])`).ok());
    assert.deepEqual(answer[stored], { 'RFC822.SIZE': String(expected.length), 'BODY[]': expected }, parts);
  };
  await catenated(`${text('Subject: a\r\n\r\n')} ${text('body\r\n')}`, 'Subject: a\r\n\r\nbody\r\n');
  await catenated('URL "/INBOX/;UID=1"', source);
  await catenated('URL "/INBOX/;uid=1"', source);
  await catenated(`URL "/INBOX/;UID=1/;SECTION=HEADER" ${text('more\r\n')}`, 'Subject: s\r\n\r\nmore\r\n');
  await catenated(
    `URL "/INBOX/;UID=1/;SECTION=HEADER" URL "/INBOX/;UID=1/;SECTION=TEXT/;PARTIAL=1.2"`,
    'Subject: s\r\n\r\n12',
  );
  await catenated(
    'URL "/INBOX/;UID=1/;SECTION=HEADER" URL "/INBOX/;UID=1/;SECTION=TEXT/;PARTIAL=8"',
    'Subject: s\r\n\r\n89\r\n',
  );
  await catenated('URL ";UID=1"', source);
  await catenated('URL {13+}\r\n/INBOX/;UID=1', source);
  if (!asksDovecot) {
    const binary = 'Subject: b\r\n\r\na\x00b';
    await a.send(`APPEND INBOX CATENATE (TEXT ~{${binary.length}+}\r\n${binary})`).ok();
    stored++;
    assert.equal(
      fetched(await a.send(`FETCH ${stored} BINARY.PEEK[1]`).ok())[stored]!['BINARY[1]'],
      'a\x00b',
    );
  }
  for (const wrong of [
    ...['/INBOX;UIDVALIDITY=1/;UID=1', '/INBOX/;UID=99', '/nothing/;UID=1', '/INBOX/;UID=1;SECTION=HEADER'],
    ...['imap://other.test/INBOX/;UID=1', '', 'http://x', '/INBOX/;UID=1 '],
    // A part that is not there; Dovecot takes it for an empty one. Nor does it say BADURL of every one.
    ...or(['/INBOX/;UID=1/;SECTION=7'], []),
  ])
    await a.send(`APPEND INBOX CATENATE (URL "${wrong}")`).no(or(/^BADURL ./, /^$|^BADURL /));
  // Dovecot reads a text that it refuses as commands.
  if (!asksDovecot)
    for (const wrong of ['()', '(FOO "x")', '(URL)', `(${text('a')}`])
      await a.send(`APPEND INBOX CATENATE ${wrong}`).bad();
});
