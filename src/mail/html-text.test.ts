import assert from 'node:assert/strict';
import { test } from 'node:test';
import { htmlTextPieces, htmlToText } from './html-text.ts';

const cases: [string, string][] = [
  ['a<b>b</b>c', 'abc'],
  ['<p>one</p><p>two</p>', '\none\n\ntwo\n'],
  ['a<br/>b', 'a\nb'],
  ['<style>p { x: y }</style>text<script>if (a < b) "</p>"</script>!', 'text!'],
  ['<STYLE>x</Style >text', 'text'],
  ['<title>T</title><head><meta x>', ''],
  ['<!-- comment <p> -->text<!doctype html>', 'text'],
  ['<script>never closed', ''],
  ['<!-- never closed', ''],
  ['a < b and c > d', 'a < b and c > d'],
  ['cut <a href="x', 'cut '],
  [
    '&lt;&amp;&gt;&nbsp;&eacute;&Ouml;&#228;&#xe4;&euro;&unknown;&#0;&#xd800;',
    '<&>\u00a0éÖää€&unknown;\ufffd\ufffd',
  ],
  ['fish &chips', 'fish &chips'],
  ['<![if mso]>x<![endif]>', 'x'],
  ['', ''],
];

for (const [html, expected] of cases)
  test(`html ${JSON.stringify(html)}`, () => assert.equal(htmlToText(html), expected));

test('what never ends is passed over once', () => {
  assert.equal(htmlToText('<script>'.repeat(100_000)), '');
  assert.equal(htmlToText('<a '.repeat(100_000)), '');
  assert.equal(htmlToText('< '.repeat(1000)).length, 2000);
});

test('pieces are cut between tags and are the same text', () => {
  const html = '<p>one &lt;two</p><style>p { x: y }</style>a < b<script>"</p>"</script>'.repeat(20);
  const pieces = [...htmlTextPieces(html, 10)];
  assert.equal(pieces.length, 21);
  assert.equal(pieces.join(''), htmlToText(html));
});

test('others get a turn, whatever a large source is made of, and no entity is cut', () => {
  const sources: [string, string][] = [
    ['&#x10ffff;', '\u{10ffff}'],
    ['&amp;', '&'],
    ['< ', '< '],
    ['<b></b>', ''],
    ['text ', 'text '],
    ['<script></scrip</script>', ''],
  ];
  for (const [source, text] of sources) {
    const count = Math.floor((512 * 1024) / source.length);
    for (let shift = 0; shift < source.length; shift++) {
      const html = 'x'.repeat(shift) + source.repeat(count);
      const pieces = [...htmlTextPieces(html, 100 * 1024)];
      assert.ok(pieces.length > 30, `${source}: ${pieces.length} pieces`);
      assert.ok(pieces.join('') === 'x'.repeat(shift) + text.repeat(count), source);
    }
  }
  assert.ok([...htmlTextPieces(`<script>${'</'.repeat(200_000)}`, 1000)].length > 20);
});
