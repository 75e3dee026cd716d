import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMessage } from './parse-message.ts';
import { sectionRange } from './section.ts';

// The example of RFC 9051 6.4.5, smaller: 1 text, 2 an image, 3 a message with a multipart, 4 a multipart.
const bytes = Buffer.from(
  [
    'Subject: outer',
    'Content-Type: multipart/mixed; boundary=o',
    '',
    'preamble',
    '--o',
    '',
    'part 1',
    '--o',
    'Content-Type: image/gif',
    '',
    'part 2',
    '--o',
    'Content-Type: message/rfc822',
    '',
    'Subject: inner',
    'Content-Type: multipart/mixed; boundary=i',
    '',
    '--i',
    '',
    'part 3.1',
    '--i--',
    '--o',
    'Content-Type: multipart/alternative; boundary=a',
    '',
    '--a',
    'X: 4.1',
    '',
    'part 4.1',
    '--a--',
    '--o--',
    'epilogue',
  ].join('\r\n'),
);
const structure = parseMessage(bytes);

const sections: [string, string | undefined][] = [
  ['', bytes.toString()],
  ['HEADER', 'Subject: outer\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n'],
  ['1', 'part 1'],
  ['1.MIME', '\r\n'],
  ['1.HEADER', undefined],
  ['2.mime', 'Content-Type: image/gif\r\n\r\n'],
  ['3.HEADER', 'Subject: inner\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n'],
  ['3.TEXT', '--i\r\n\r\npart 3.1\r\n--i--'],
  ['3.1', 'part 3.1'],
  ['3.1.MIME', '\r\n'],
  ['4.MIME', 'Content-Type: multipart/alternative; boundary=a\r\n\r\n'],
  ['4', '--a\r\nX: 4.1\r\n\r\npart 4.1\r\n--a--'],
  ['4.1', 'part 4.1'],
  ['4.1.MIME', 'X: 4.1\r\n\r\n'],
  ['4.HEADER', undefined],
  ['5', undefined],
  ['1.1', undefined],
  ['0', undefined],
  ['MIME', undefined],
  ['1.', undefined],
  ['01', undefined],
  ['4294967295', undefined],
];

for (const [section, expected] of sections) {
  test(`BODY[${section}]`, () => {
    const range = sectionRange(structure, section);
    assert.equal(range && bytes.toString('latin1', range.start, range.end), expected);
  });
}

test('BODY[TEXT] is everything after the header', () => {
  const range = sectionRange(structure, 'TEXT');
  assert.equal(range?.end, bytes.length);
  assert.equal(bytes.toString('latin1', range?.start, range!.start + 8), 'preamble');
});

test('a message that is no multipart has itself as part 1', () => {
  const single = parseMessage(Buffer.from('Subject: x\r\n\r\ntext'));
  assert.deepEqual(sectionRange(single, '1'), { start: 14, end: 18 });
  assert.deepEqual(sectionRange(single, '1.MIME'), { start: 0, end: 14 });
  assert.equal(sectionRange(single, '2'), undefined);
  assert.equal(sectionRange(single, '1.1'), undefined);
});
