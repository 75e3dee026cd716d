import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMessage } from './parse-message.ts';
import { decodedText, headerTexts, preview, searchTexts } from './text.ts';

function message(...lines: string[]): Buffer {
  return Buffer.from(lines.join('\r\n'), 'latin1');
}

function previewOf(...lines: string[]): string {
  const bytes = message(...lines);
  return preview(bytes, parseMessage(bytes));
}

test('transfer encoding and charset are undone', () => {
  const bytes = message(
    'Content-Type: text/plain; charset=koi8-r',
    'Content-Transfer-Encoding: base64',
    '',
    '89DJ08/L',
  );
  assert.equal(decodedText(bytes, parseMessage(bytes).root), 'Список');
  const html = message('Content-Type: text/html; charset=utf-8', '', '<p>a &amp; \xc3\xa4</p>');
  assert.equal(decodedText(html, parseMessage(html).root).trim(), 'a & ä');
});

test('text ends at the limit, at a whole character', () => {
  const bytes = message('Content-Type: text/plain; charset=utf-8', '', 'a\xc3\xa4b');
  const { root } = parseMessage(bytes);
  assert.equal(decodedText(bytes, root, 2), 'a');
  assert.equal(decodedText(bytes, root, 3), 'aä');
});

test('the preview is the beginning of the text, white space collapsed', () => {
  assert.equal(previewOf('', 'one\t two', '', '  three'), 'one two three');
  assert.equal(previewOf('Subject: nothing', '', ''), '');
  assert.equal(previewOf('Content-Type: image/png', '', 'xx'), '');
  assert.equal([...previewOf('', 'word '.repeat(1000))].length, 199);
});

test('the preview is bounded in characters and in bytes', () => {
  assert.equal(previewOf('', 'x'.repeat(1000)).length, 200);
  const wide = previewOf('Content-Type: text/plain; charset=utf-8', '', '\xe4\xb8\xad'.repeat(1000));
  assert.equal(wide, '中'.repeat(85));
});

test('the preview prefers plain text, and takes HTML when there is none', () => {
  const part = (type: string, text: string) => ['--b', `Content-Type: ${type}`, '', text];
  const mixed = (...parts: string[][]) =>
    previewOf('Content-Type: multipart/alternative; boundary=b', '', ...parts.flat(), '--b--');
  const html = part('text/html', '<style>x{}</style><p>of <b>HTML</b></p>');
  assert.equal(mixed(html, part('text/plain', 'plain')), 'plain');
  assert.equal(mixed(html), 'of HTML');
  assert.equal(mixed(part('text/plain', '  '), html), 'of HTML');
  assert.equal(mixed(['--b', 'Content-Disposition: attachment', '', 'attached'], html), 'of HTML');
});

test('the preview leaves quotations out, unless there is nothing else', () => {
  const quoted = ['On Monday, Bob wrote:', '> his text', '>> older'];
  assert.equal(previewOf('', ...quoted, '', 'My answer', '-- ', 'Signature'), 'My answer');
  assert.equal(previewOf('', '-----Original Message-----', 'From: x', 'Subject: y', '', 'text'), 'text');
  assert.equal(previewOf('', '> only', '> quoted'), '> only > quoted');
  assert.equal(previewOf('', 'He wrote:', 'no quotation'), 'He wrote: no quotation');
});

test('HTML whose style fills the beginning still has a preview', () => {
  const style = `<style>${'p { margin: 0 }\r\n'.repeat(1000)}</style>`;
  assert.equal(previewOf('Content-Type: text/html', '', `${style}<p>text</p>`), 'text');
});

test('searched are texts and the headers of nested messages, not attachments', () => {
  const bytes = message(
    'Subject: outer',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    '',
    'first',
    '--b',
    'Content-Type: image/png',
    '',
    'picture',
    '--b',
    'Content-Type: message/rfc822',
    '',
    'Subject: =?utf-8?Q?=C3=A4?=',
    ' folded',
    '',
    'inner',
    '--b',
    'Content-Type: message/delivery-status',
    '',
    'Action: failed',
    '--b--',
  );
  const texts = [...searchTexts(bytes, parseMessage(bytes))];
  assert.deepEqual(texts, ['first', 'Subject: ä folded', 'inner', 'Action: failed']);
});

test('a large body comes in pieces that overlap and miss nothing', () => {
  const line = (index: number) => `line ${index} \u00e4\u4e2d`;
  const lines = Array.from({ length: 60_000 }, (_, index) => line(index));
  const encoded = Buffer.from(lines.join('\r\n')).toString('base64').replace(/.{76}/g, '$&\r\n');
  const bytes = message(
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    encoded,
  );
  const pieces = [...searchTexts(bytes, parseMessage(bytes))];
  assert.ok(pieces.length > 3);
  for (let index = 0; index < lines.length; index += 100) {
    const key = `${line(index)}\r\n${line(index + 1)}\r\n`;
    if (index + 2 < lines.length)
      assert.ok(
        pieces.some((piece) => piece.includes(key)),
        key,
      );
  }
});

test('a large HTML body comes in pieces that overlap and miss nothing', () => {
  const line = (index: number) => `<p class="x">line <b>${index}</b> &auml;</p>`;
  const lines = Array.from({ length: 40_000 }, (_, index) => line(index));
  const encoded = lines.join('\r\n').replaceAll('=', '=3D');
  const bytes = message(
    'Content-Type: text/html; charset=utf-8',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    encoded,
  );
  const pieces = [...searchTexts(bytes, parseMessage(bytes))];
  assert.ok(pieces.length > 2);
  assert.ok(pieces.every((piece) => piece.length < 300_000));
  assert.ok(pieces.filter((piece) => piece === '').length > 20, 'it is decoded in steps');
  const key = (index: number) => `line ${index} \u00e4\n`;
  for (let index = 0; index < lines.length; index += 50)
    assert.ok(
      pieces.some((piece) => piece.includes(key(index))),
      key(index),
    );
});

test('a large body of wide characters comes in pieces that overlap and miss nothing', () => {
  const lines = Array.from({ length: 40_000 }, (_, index) => `line ${index} \u4e2d`);
  const head = Buffer.from(
    'Content-Type: text/plain; charset=utf-16le\r\nContent-Transfer-Encoding: base64\r\n\r\n',
  );
  const encoded = Buffer.from(lines.join('\n'), 'utf16le').toString('base64').replace(/.{76}/g, '$&\r\n');
  const bytes = Buffer.concat([head, Buffer.from(encoded)]);
  const pieces = [...searchTexts(bytes, parseMessage(bytes))];
  assert.ok(pieces.length > 1);
  for (let index = 0; index < lines.length - 1; index += 50)
    assert.ok(
      pieces.some((piece) => piece.includes(`${lines[index]}\n`)),
      `line ${index}`,
    );
});

test('what lies before a long stretch without text is found together with what comes behind', () => {
  const [before, behind] = ['needle in a ', 'haystack'].map(btoa);
  const bytes = message(
    'Content-Type: text/plain; charset=us-ascii',
    'Content-Transfer-Encoding: base64',
    '',
    `${before}${'\r\n'.repeat(500_000)}${behind}`,
  );
  const pieces = [...searchTexts(bytes, parseMessage(bytes))];
  assert.ok(pieces.length > 2);
  assert.ok(
    pieces.some((piece) => piece.includes('needle in a haystack')),
    JSON.stringify(pieces),
  );
});

test('a large body without line ends is not cut within a character', () => {
  const head = 'Content-Type: text/plain; charset=utf-8\r\n\r\n';
  const bodies = { 'no space': '東'.repeat(300_000), 'some spaces': 'Größe 東京 '.repeat(60_000).trim() };
  for (const [what, body] of Object.entries(bodies)) {
    const bytes = Buffer.from(head + body);
    const pieces = [...searchTexts(bytes, parseMessage(bytes))];
    assert.ok(pieces.length > 2, what);
    for (const piece of pieces) assert.ok(body.includes(piece), what);
  }
});

test('a large header comes in pieces that overlap and miss nothing', () => {
  const count = 12_000;
  const fields = Array.from(
    { length: count },
    (_, at) => `X-Field: some word ${at}\r\n folded =?utf-8?q?=C3=BC${at}?=\r\n`,
  );
  const bytes = Buffer.from(`${fields.join('')}\r\nbody\r\n`);
  const pieces = [...headerTexts(bytes, parseMessage(bytes).root)];
  assert.ok(pieces.length > 2 && pieces.every((piece) => piece.length < 300_000));
  let piece = 0;
  for (let at = 0; at + 1 < count; at++) {
    // From one field to the next.
    const text = `word ${at} folded ü${at}\nX-Field: some word ${at + 1} `;
    while (!pieces[piece]!.includes(text)) assert.ok(++piece < pieces.length, text);
  }
  const small = Buffer.from('Subject: a\r\nTo: b\r\n\r\n');
  assert.deepEqual([...headerTexts(small, parseMessage(small).root)], ['Subject: a\nTo: b']);
});
