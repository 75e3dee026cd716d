import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMessage, parseMessageSteps } from '../../src/mail/mime/parse-message.ts';
import { sectionRange } from '../../src/mail/mime/section.ts';
import { leafParts } from '../../src/mail/mime/structure.ts';
import { decodedText, preview, searchTexts } from '../../src/mail/mime/text.ts';
import { decodedFileName } from '../../src/mail/parameter.ts';
import { decodedSubject } from '../../src/mail/subject.ts';
import { corpusMessages, corpusMissing } from './mime-corpus.ts';
import { checkStructure, structureShape } from './structure-checks.ts';

const skip = corpusMissing;
const messages = corpusMessages();

function message(name: string): Buffer {
  const found = messages.find((candidate) => candidate.name === name);
  assert.ok(found !== undefined, `${name} is not in the corpus`);
  return found.bytes;
}

function withLineEnds(bytes: Buffer, lineEnd: string): Buffer {
  return Buffer.from(bytes.toString('latin1').replace(/\r?\n/g, lineEnd), 'latin1');
}

test('every message has a sane structure and readable text', { skip }, () => {
  assert.equal(messages.length, 80);
  for (const { name, bytes } of messages) {
    const parsed = parseMessage(bytes);
    checkStructure(parsed);
    assert.ok(
      parsed.work <= 8 * bytes.length + 100,
      `${name}: ${parsed.work} bytes looked at of ${bytes.length}`,
    );
    assert.ok(preview(bytes, parsed).length <= 200);
    for (const text of searchTexts(bytes, parsed)) assert.equal(typeof text, 'string');
  }
});

test('the same tree with CRLF, with bare LF, and in steps', { skip }, () => {
  for (const { name, bytes } of messages) {
    const shape = structureShape(parseMessage(bytes).root);
    for (const lineEnd of ['\r\n', '\n']) {
      const changed = withLineEnds(bytes, lineEnd);
      const parsed = parseMessage(changed);
      checkStructure(parsed);
      assert.deepEqual(structureShape(parsed.root), shape, `${name} with ${JSON.stringify(lineEnd)}`);
    }
    const steps = parseMessageSteps(bytes);
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    assert.deepEqual(step.value.root, parseMessage(bytes).root);
  }
});

const shapes: Record<string, string[]> = {
  'boundary-name-clash.msg': [
    '- multipart/mixed 7bit 0',
    '  1 multipart/alternative 7bit 0',
    '    1.1 text/plain 7bit 1',
    '    1.2 text/html 7bit 9',
    '  2 application/pdf base64 0',
  ],
  'missing-boundary.msg': ['- multipart/alternative 7bit 0', '  1 text/plain 7bit 2'],
  'missing-inner-boundary.msg': [
    '- multipart/mixed 7bit 0',
    '  1 text/plain 7bit 1',
    '  2 multipart/alternative 7bit 0',
    '    2.1 text/plain 7bit 1',
  ],
  'misplaced-boundary.msg': ['- multipart/mixed 7bit 0', '  1 text/plain 7bit 2'],
  'ending-boundaries.msg': ['- multipart/mixed 7bit 0', '  1 text/plain 7bit 1'],
  'intermediate-boundaries.msg': [
    '- multipart/mixed 7bit 0',
    '  1 text/plain 7bit 1',
    '  2 text/plain 7bit 21',
  ],
  'weird-boundary.msg': ['- multipart/mixed 7bit 0', '  1 text/plain 7bit 4'],
  'very-very-long-boundary.msg': ['- multipart/mixed 7bit 0', '  1 text/plain 7bit 4'],
  'multipartnopart.msg': ['- multipart/mixed 7bit 0', '  1 text/plain 7bit 1'],
  'base64encoded-rfc822message.msg': ['1 message/rfc822 base64 0'],
  'malformedHeader-noheader.msg': ['1 text/plain 7bit 2'],
  'multipartdigestnestedemptyparts.msg': [
    '- multipart/digest 7bit 0',
    '  1 message/rfc822 7bit 13',
    '  > 1 multipart/mixed 7bit 0',
    '  >   1.1 text/plain 7bit 0',
  ],
  'multi-digest.msg': [
    '- multipart/digest 7bit 0',
    '  1 message/rfc822 7bit 5',
    '  > 1.1 text/plain 7bit 2',
    '  2 message/rfc822 7bit 6',
    '  > 2.1 text/plain 7bit 2',
  ],
  'double-semicolon2.msg': [
    '- multipart/alternative 7bit 0',
    '  1 text/plain 7bit 1',
    '  2 text/plain 7bit 1',
  ],
  'multi-2evil.msg': [
    '- multipart/mixed 7bit 0',
    '  1 text/plain 7bit 13',
    '  2 image/gif base64 0',
    '  3 image/gif base64 0',
  ],
  're-fwd.msg': [
    '1 message/rfc822 binary 23',
    '> 1.1 message/rfc822 binary 13',
    '> > 1.1.1 text/plain binary 2',
  ],
};

for (const [name, shape] of Object.entries(shapes)) {
  test(`structure of ${name}`, { skip }, () => {
    assert.deepEqual(structureShape(parseMessage(message(name)).root), shape);
  });
}

test('names and subjects of the international ones', { skip }, () => {
  const names = (name: string) =>
    [...leafParts(parseMessage(message(name)).root, true)]
      .map(decodedFileName)
      .filter((file) => file !== undefined);
  assert.deepEqual(names('attachment-filename-encoding-UTF8.msg'), ['attachment.äöü']);
  assert.deepEqual(names('attachment-filename-encoding-Latin1.msg'), ['attachment.äöü']);
  assert.deepEqual(names('russian.msg'), ['Список.doc']);
  assert.deepEqual(names('multi-badnames.msg'), ['/foo/bar', 'foo bar', 'foobar']);
  assert.equal(
    decodedSubject(parseMessage(message('intl.msg')).envelope.subject),
    'If you can read this you understand the example... so, cool!',
  );
});

test('sections of a message in a message', { skip }, () => {
  const bytes = message('multi-digest.msg');
  const parsed = parseMessage(bytes);
  const section = (path: string) => {
    const range = sectionRange(parsed, path);
    return range && bytes.toString('latin1', range.start, range.end);
  };
  assert.equal(section('2.MIME'), 'Content-type: message/rfc822; charset=us-ascii\r\n\r\n');
  assert.equal(
    section('2.HEADER'),
    'From: noone@nowhere.org\r\nSubject: embedded message 2\r\nContent-type: text\r\n\r\n',
  );
  assert.equal(section('2.1'), section('2.TEXT'));
  assert.equal(
    section('1.TEXT'),
    'This is implicitly-typed ASCII text.\r\nIt does NOT end with a linebreak.',
  );
  assert.equal(section('3'), undefined);
  assert.equal(section('1.2'), undefined);
  assert.equal(section('1.1.1'), undefined);
});

test('a header whose blank line has a space in it still ends', { skip }, () => {
  const bytes = message('hdr-fakeout.msg');
  const parsed = parseMessage(bytes);
  assert.equal(
    preview(bytes, parsed),
    'The header is not properly terminated; the "blank line" actually has a space in it.',
  );
  assert.match(decodedText(bytes, parsed.root), /^The header/);
});
