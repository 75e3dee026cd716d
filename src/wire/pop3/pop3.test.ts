import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MultilineEncoder } from './multiline.ts';
import { parseMessageNumber, parsePop3Command, parseTopArguments, utf8Argument } from './parse-command.ts';
import { sentSizeDifference } from './sent-size.ts';
import { headerEnd, surrogateHeader } from './surrogate-header.ts';

const parse = (line: string) => parsePop3Command(Buffer.from(line, 'latin1'));

test('command lines', () => {
  assert.deepEqual(parse('retr 1\r\n'), { keyword: 'RETR', argument: '1' });
  assert.deepEqual(parse('QUIT\n'), { keyword: 'QUIT', argument: undefined });
  assert.deepEqual(parse('UTF8\r\n'), { keyword: 'UTF8', argument: undefined });
  assert.deepEqual(parse('PASS  two  blanks \r\n'), { keyword: 'PASS', argument: ' two  blanks ' });
  for (const bad of [
    '\r\n',
    'a\r\n',
    ' STAT\r\n',
    'STAT\t1\r\n',
    'USER a\0b\r\n',
    '+OK\r\n',
    'GET / HTTP/1.1\r\r\n',
  ]) {
    assert.equal(parse(bad), undefined, JSON.stringify(bad));
  }
});

test('numbers', () => {
  assert.equal(parseMessageNumber(' 12 '), 12);
  for (const bad of ['', '0', '-1', '1.5', '1 2', '12345678901', 'x'])
    assert.equal(parseMessageNumber(bad), undefined);
  assert.deepEqual(parseTopArguments('3 0'), { message: 3, lines: 0 });
  for (const bad of ['3', '0 1', '3 -1', '3 4 5', 'a b']) assert.equal(parseTopArguments(bad), undefined);
  assert.equal(utf8Argument('j\xc3\xbcrgen'), 'jürgen');
  assert.equal(utf8Argument('j\xfcrgen'), undefined);
});

/** What a message becomes, given in pieces. */
function encode(...pieces: string[]): string {
  const encoder = new MultilineEncoder();
  const text = pieces.map((piece) => encoder.text(piece)).join('');
  return text + encoder.end();
}

test('dot-stuffing and line ends', () => {
  assert.equal(encode('a\r\nb\r\n'), 'a\r\nb\r\n.\r\n');
  assert.equal(encode('.a\r\n.\r\n..\r\na.\r\n'), '..a\r\n..\r\n...\r\na.\r\n.\r\n');
  assert.equal(encode('no end'), 'no end\r\n.\r\n');
  assert.equal(encode(''), '.\r\n');
  assert.equal(encode('a\n.\nb'), 'a\r\n..\r\nb\r\n.\r\n');
  assert.equal(encode('\n\n'), '\r\n\r\n.\r\n');
  assert.equal(encode('a\r', '\n.b\r\n'), 'a\r\n..b\r\n.\r\n');
  assert.equal(encode('a', '\n.b\r\n'), 'a\r\n..b\r\n.\r\n');
  assert.equal(encode('a\r\n', '.b\r\n'), 'a\r\n..b\r\n.\r\n');
  assert.equal(encode('a\r'), 'a\r\n.\r\n');
  assert.equal(encode('a\rb\r\n'), 'a\rb\r\n.\r\n');
});

test('bytes that need no change are passed on, not copied', () => {
  const piece = Buffer.from('a\r\nb.\r\n');
  assert.equal(new MultilineEncoder().bytes(piece), piece);
  assert.equal(new MultilineEncoder().bytes(Buffer.from('.\r\n')).toString(), '..\r\n');
});

test('a client reads back what was sent, however it is cut', () => {
  const part = fc.constantFrom('.', '\r\n', '\n', '\r', 'a', '\xff', '.\r\n', '\n.');
  fc.assert(
    fc.property(fc.array(fc.array(part, { maxLength: 6 }), { maxLength: 5 }), (arrays) => {
      const pieces = arrays.map((array) => array.join(''));
      const message = pieces.join('');
      const sent = encode(...pieces);
      assert.equal(sent, encode(message));
      assert.ok(!/(?<!\r)\n/.test(sent));
      assert.ok(sent.endsWith('.\r\n'));
      const lines = sent.slice(0, -3).split('\r\n').slice(0, -1);
      assert.ok(!lines.includes('.'));
      const read = lines.map((line) => `${line.startsWith('.') ? line.slice(1) : line}\r\n`).join('');
      const canonical = message.replace(/(?<!\r)\n/g, '\r\n');
      const ended = canonical === '' || canonical.endsWith('\n');
      const expected = ended ? canonical : `${canonical}${canonical.endsWith('\r') ? '' : '\r'}\n`;
      assert.equal(read, expected);
    }),
    { numRuns: 300 },
  );
});

/** What RETR sends of it, without the dots that are stuffed and the last line. */
function sentOctets(message: string, utf8: boolean): number {
  const end = headerEnd(message);
  const header = end < 0 ? message : message.slice(0, end);
  const shown = utf8 ? message : surrogateHeader(header) + message.slice(header.length);
  const lines = encode(shown).slice(0, -3).split('\r\n');
  return lines.map((line) => (line.startsWith('.') ? line.slice(1) : line)).join('\r\n').length;
}

test('the size noted of a message is what is sent of it', () => {
  const part = fc.constantFrom('.', '\r\n', '\n', '\r', 'a', '\xff', '\xc3\xbc', '@', '\n.', '\r\n\r\n', '"');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
      const message = parts.join('');
      const bareLineFeeds = [...message.matchAll(/(?<!\r)\n/g)].length;
      const noted = sentSizeDifference(Buffer.from(message, 'latin1'), bareLineFeeds);
      const { lineEnds, surrogate } = noted ?? { lineEnds: 0, surrogate: 0 };
      assert.equal(message.length + lineEnds, sentOctets(message, true));
      assert.equal(message.length + lineEnds + surrogate, sentOctets(message, false));
    }),
    { numRuns: 1000 },
  );
  assert.equal(sentSizeDifference(Buffer.from('Subject: a\r\n\r\nb\r\n'), 0), undefined);
});

test('surrogate headers are ASCII and say the same', () => {
  const raw = (text: string) => Buffer.from(text).toString('latin1');
  const header = raw(
    'Subject: Grüße aus Köln\r\nFrom: "Jürgen \\"J\\" Müller" <jürgen@example.test>\r\n\r\n',
  );
  assert.equal(
    surrogateHeader(header),
    'Subject: =?utf-8?B?R3LDvMOfZQ==?= aus =?utf-8?B?S8O2bG4=?=\r\n' +
      'From: =?utf-8?B?SsO8cmdlbiAiSiIgTcO8bGxlcg==?= <j??rgen@example.test>\r\n\r\n',
  );
  assert.equal(surrogateHeader('Subject: \xe4\r\n'), 'Subject: =?iso-8859-1?B?5A==?=\r\n');
  const long = surrogateHeader(raw(`Subject: ${'é'.repeat(100)}\r\n`));
  assert.ok(!/[^\x00-\x7f]/.test(long));
  assert.match(long, /^Subject: (=\?utf-8\?B\?[A-Za-z0-9+/=]{1,60}\?= ?)+\r\n$/);
  const plain = 'Subject: plain "quoted"\r\n\r\n';
  assert.equal(surrogateHeader(plain), plain);
});

test('where a header ends', () => {
  assert.equal(headerEnd('a: b\r\n\r\nbody'), 8);
  assert.equal(headerEnd('a: b\n\nbody'), 6);
  assert.equal(headerEnd('\r\nbody'), 2);
  assert.equal(headerEnd('a: b\r\n'), -1);
});
