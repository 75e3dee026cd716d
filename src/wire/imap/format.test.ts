import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { structureSeeds, target } from '../../../test/fuzz/imap-structure.fuzz.ts';
import { readResponses, readValue } from '../../../test/imap-response.ts';
import { parseMessage } from '../../mail/mime/parse-message.ts';
import { formatCapability } from './capability.ts';
import { formatBody, formatBodyStructure } from './format-body-structure.ts';
import { formatEnvelope } from './format-envelope.ts';
import { formatEsearch, formatSearch } from './format-esearch.ts';
import { formatFlagBits, formatInternalDate, formatModSeq } from './format-fetch.ts';
import { formatList, formatNamespace } from './format-list.ts';
import { formatStatus } from './format-status.ts';
import {
  formatAstring,
  formatMailboxName,
  formatNstring,
  formatString,
  formatText,
} from './format-string.ts';
import { copyUidCode, formatStatusResponse } from './response-code.ts';

const message = (text: string) => parseMessage(Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1'));

test('strings: atom, quoted or literal', () => {
  assert.equal(formatAstring('INBOX'), 'INBOX');
  assert.equal(formatAstring('BODY['), '"BODY["');
  assert.equal(formatAstring('a]'), '"a]"');
  assert.equal(formatAstring('nil'), '"nil"');
  assert.equal(formatAstring(''), '""');
  assert.equal(formatString('a"b\\c'), '"a\\"b\\\\c"');
  assert.equal(formatNstring(undefined), 'NIL');
  assert.equal(formatString('a\r\nb'), '{4}\r\na\r\nb');
  assert.equal(formatString('\xe4'), '{1}\r\n\xe4');
  assert.equal(formatText('ä', true), '"\xc3\xa4"');
  assert.equal(formatText('ä', false), '{2}\r\n\xc3\xa4');
  assert.equal(formatMailboxName('日本語', false), '&ZeVnLIqe-');
  assert.equal(formatMailboxName('日本語', true), '"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"');
});

test('strings cannot be broken out of', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (octets) => {
      const text = Buffer.from(octets).toString('latin1');
      const clean = text.replaceAll('\0', '');
      for (const formatted of [formatString(text), formatNstring(text), formatAstring(text)]) {
        const value = readValue(formatted);
        assert(typeof value === 'string' || Buffer.isBuffer(value));
        assert.equal(typeof value === 'string' ? value : value.toString('latin1'), clean);
      }
    }),
    { numRuns: 300 },
  );
});

test('ENVELOPE: the example of RFC 9051 7.5.2', () => {
  const { envelope } = message(
    'Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\nFrom: Terry Gray <gray@cac.washington.edu>\n' +
      'Subject: IMAP4rev2 WG mtg summary and minutes\nTo: imap@cac.washington.edu\n' +
      'cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\nMessage-Id: <B27397-0100000@cac.washington.ed>\n\n',
  );
  const gray = '(("Terry Gray" NIL "gray" "cac.washington.edu"))';
  assert.equal(
    formatEnvelope(envelope),
    `("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes" ${gray} ${gray} ${gray} ` +
      '((NIL NIL "imap" "cac.washington.edu")) ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) ' +
      'NIL NIL "<B27397-0100000@cac.washington.ed>")',
  );
});

test('ENVELOPE: groups, missing domains, 8-bit', () => {
  const { envelope } = message('To: A Group: x@y;, local\nSubject: \xe4\nFrom: undisclosed:;\n\n');
  assert.equal(
    formatEnvelope(envelope),
    '(NIL {1}\r\n\xe4 ((NIL NIL "undisclosed" NIL)(NIL NIL NIL NIL)) ((NIL NIL "undisclosed" NIL)(NIL NIL NIL NIL)) ' +
      '((NIL NIL "undisclosed" NIL)(NIL NIL NIL NIL)) ((NIL NIL "A Group" NIL)(NIL NIL "x" "y")(NIL NIL NIL NIL)(NIL NIL "local" "")) NIL NIL NIL NIL)',
  );
});

test('BODY and BODYSTRUCTURE', () => {
  const { root } = message(
    'Content-Type: multipart/mixed; boundary=b\nContent-Language: en, de\n\n--b\n\nhi\nho\n--b\n' +
      'Content-Type: image/gif; name="a.gif"\nContent-Disposition: attachment; filename="a.gif"\n' +
      'Content-Transfer-Encoding: base64\nContent-ID: <1@x>\n\nR0lG\n--b--\n',
  );
  assert.equal(
    formatBody(root),
    '(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 6 2)' +
      '("image" "gif" ("name" "a.gif") "<1@x>" NIL "base64" 4) "mixed")',
  );
  assert.equal(
    formatBodyStructure(root),
    '(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 6 2 NIL NIL NIL NIL)' +
      '("image" "gif" ("name" "a.gif") "<1@x>" NIL "base64" 4 NIL ("attachment" ("filename" "a.gif")) NIL NIL) ' +
      '"mixed" ("boundary" "b") NIL ("en" "de") NIL)',
  );
});

test('structures of odd messages, whole and cut anywhere, are in the grammar', async () => {
  for (const seed of structureSeeds) {
    const octets = Buffer.from(seed.replaceAll('\n', '\r\n'), 'latin1');
    for (let end = 0; end <= octets.length; end += 7) await target.run(octets.subarray(0, end));
    await target.run(octets);
  }
});

test('flags from bits', () => {
  assert.equal(formatFlagBits(0, 0, [], false), 'FLAGS ()');
  assert.equal(formatFlagBits(8 | 1, 0, ['a'], true), 'FLAGS (\\Answered \\Seen \\Recent)');
  const keywords = Array.from({ length: 59 }, (_, index) => `k${index}`);
  assert.equal(
    formatFlagBits((1 << 5) | (1 << 31), (1 << 0) | (1 << 31), keywords, false),
    'FLAGS (k0 k26 k27 k58)',
  );
  assert.equal(formatModSeq(5), 'MODSEQ (5)');
  assert.equal(formatInternalDate(0), 'INTERNALDATE " 1-Jan-1970 00:00:00 +0000"');
});

test('responses', () => {
  const rev1 = { utf8: false };
  const lines = [
    formatList(
      'LIST',
      { name: 'a b', attributes: ['\\HasChildren'], delimiter: '/', childInfo: ['SUBSCRIBED'], oldName: 'é' },
      rev1,
    ),
    formatList('LSUB', { name: 'INBOX', attributes: [], delimiter: undefined }, rev1),
    formatNamespace({ personal: [['', '/']], otherUsers: [['Other Users/', '/']], shared: [] }, rev1),
    formatStatus(
      'blurdybloop',
      [
        ['MESSAGES', 231],
        ['MAILBOXID', 'F1'],
        ['APPENDLIMIT', undefined],
      ],
      rev1,
    ),
    formatEsearch({
      tag: 'A"1',
      uid: true,
      min: 2,
      max: 5,
      count: 3,
      all: Uint32Array.of(2, 4, 5),
      modSeq: 9,
    }),
    formatEsearch({ tag: 'A1', uid: false, all: new Uint32Array(0) }),
    formatSearch(Uint32Array.of(2, 84), 917),
    formatSearch(new Uint32Array(0), 917),
    formatCapability(['IMAP4rev1', 'AUTH=PLAIN']),
    formatStatusResponse('a', 'OK', 'Done', copyUidCode(432, [304, 319, 320], [3956, 3957, 3958])),
    formatStatusResponse('*', 'BYE', 'é\r\n* OK'),
  ];
  assert.deepEqual(lines, [
    '* LIST (\\HasChildren) "/" "a b" ("CHILDINFO" ("SUBSCRIBED") "OLDNAME" (&AOk-))\r\n',
    '* LSUB () NIL INBOX\r\n',
    '* NAMESPACE (("" "/")) (("Other Users/" "/")) NIL\r\n',
    '* STATUS blurdybloop (MESSAGES 231 MAILBOXID (F1) APPENDLIMIT NIL)\r\n',
    '* ESEARCH (TAG "A\\"1") UID MIN 2 MAX 5 COUNT 3 ALL 2,4:5 MODSEQ 9\r\n',
    '* ESEARCH (TAG "A1")\r\n',
    '* SEARCH 2 84 (MODSEQ 917)\r\n',
    '* SEARCH\r\n',
    '* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n',
    'a OK [COPYUID 432 304,319:320 3956:3958] Done\r\n',
    '* BYE ???* OK\r\n',
  ]);
  assert.equal(readResponses(lines.join('')).length, lines.length);
});

test('SEARCH and SORT list numbers of every length, however many', () => {
  const numbers = [0, 9, 10, 99, 100, 2_147_483_647, 2_147_483_648, 4_294_967_295];
  for (let power = 1; power < 4_294_967_295; power *= 10) numbers.push(power - 1, power);
  const told = (list: readonly number[]) => formatSearch(Uint32Array.from(list), undefined, 'SORT');
  assert.equal(told(numbers), `* SORT ${numbers.join(' ')}\r\n`);
  const longest = new Array<number>(3000).fill(4_294_967_295);
  assert.equal(told(longest), `* SORT ${longest.join(' ')}\r\n`);
  assert.equal(told([7]), '* SORT 7\r\n');
});
