import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseCommandLine } from './command-line.ts';
import { DataDecoder } from './data-decoder.ts';
import { parseMailArguments, parseRcptArguments } from './envelope-arguments.ts';
import { parseAuthArguments, parseBdatArguments, parseHelloArgument } from './other-arguments.ts';
import { formatReply, formatReplyLines } from './reply.ts';
import { SmtpSyntaxError } from './smtp-syntax-error.ts';

const line = (text: string) => parseCommandLine(Buffer.from(text, 'utf8'));
const refused = (code: string) => (error: unknown) => error instanceof SmtpSyntaxError && error.code === code;

test('command lines: verb in any case, argument, trailing blanks', () => {
  assert.deepEqual(line('ehlo example.test\r\n'), { verb: 'EHLO', argument: 'example.test' });
  assert.deepEqual(line('QUIT\r\n'), { verb: 'QUIT', argument: '' });
  assert.deepEqual(line('MAIL FROM:<a@b>  \r\n'), { verb: 'MAIL', argument: 'FROM:<a@b>' });
  assert.deepEqual(line('RCPT TO:<grün@例.test>\r\n'), { verb: 'RCPT', argument: 'TO:<grün@例.test>' });
});

test('command lines: bare line ends, controls and broken UTF-8 are refused', () => {
  for (const text of ['QUIT\n', 'QUIT\r', 'QUIT', '', '\n', 'QUIT\0\r\n', 'NOOP a\rb\r\n', 'NOOP \x7f\r\n']) {
    assert.throws(() => line(text), refused('500 5.5.2'), JSON.stringify(text));
  }
  assert.throws(() => parseCommandLine(Buffer.from('RCPT TO:<\xff@a>\r\n', 'latin1')), refused('500 5.5.2'));
});

test('MAIL: paths', () => {
  const path = (text: string) => {
    const { localPart, domain, text: written } = parseMailArguments(text).path;
    return [localPart, domain, written];
  };
  assert.deepEqual(path('FROM:<a.b+c@example.test>'), ['a.b+c', 'example.test', 'a.b+c@example.test']);
  assert.deepEqual(path('from: <a@b>'), ['a', 'b', 'a@b']);
  assert.deepEqual(path('FROM:<>'), ['', '', '']);
  assert.deepEqual(path('FROM:<@x.test,@y.test:a@b.test>'), ['a', 'b.test', 'a@b.test']);
  assert.deepEqual(path('FROM:<"a b"@c>'), ['a b', 'c', '"a b"@c']);
  assert.deepEqual(path('FROM:<"a\\"@b"@c>'), ['a"@b', 'c', '"a\\"@b"@c']);
  assert.deepEqual(path('FROM:<"plain"@c>'), ['plain', 'c', 'plain@c']);
  assert.deepEqual(path('FROM:<a@[192.0.2.1]>'), ['a', '[192.0.2.1]', 'a@[192.0.2.1]']);
  assert.deepEqual(path('FROM:<a@[IPv6:2001:db8::1]>'), ['a', '[IPv6:2001:db8::1]', 'a@[IPv6:2001:db8::1]']);
  assert.deepEqual(path('FROM:<a@example.test.>'), ['a', 'example.test', 'a@example.test']);
  assert.equal(parseMailArguments('FROM:<grün@b> SMTPUTF8').path.international, true);
});

test('MAIL: what is no path', () => {
  const bad = [
    'FROM:a@b',
    'FROM:<a@b',
    'FROM:<a@>',
    'FROM:<@b>',
    'FROM:<a..b@c>',
    'FROM:<.a@c>',
    'FROM:<a@b..c>',
  ];
  bad.push('FROM:<a@-b>', 'FROM:<a b@c>', 'FROM:<a@b@c>', 'FROM:<postmaster>', 'FROM:<a@[]>', 'FROM:<"a@b>');
  bad.push(`FROM:<${'a'.repeat(256)}@b>`, `FROM:<a@${'b'.repeat(256)}>`, 'FROM:<@x.test:>', 'FROM:<@x a@b>');
  for (const text of bad) assert.throws(() => parseMailArguments(text), refused('501 5.1.3'), text);
  assert.throws(() => parseMailArguments('TO:<a@b>'), refused('501 5.5.4'));
  assert.throws(() => parseMailArguments('FROM:<a@b>x'), refused('501 5.5.4'));
});

test('MAIL: parameters', () => {
  const { size, body, smtpUtf8, auth } = parseMailArguments(
    'FROM:<a@b> SIZE=1000 body=8bitmime SMTPUTF8 AUTH=<>',
  );
  assert.deepEqual(
    { size, body, smtpUtf8, auth },
    { size: 1000, body: '8BITMIME', smtpUtf8: true, auth: '<>' },
  );
  assert.equal(parseMailArguments('FROM:<a@b> SIZE=99999999999999999999').size, Number.MAX_SAFE_INTEGER);
  for (const text of ['SIZE', 'SIZE=x', 'SIZE=-1', 'BODY=9BIT', 'SIZE=1 SIZE=2', '=', 'a=b=c']) {
    assert.throws(() => parseMailArguments(`FROM:<a@b> ${text}`), refused('501 5.5.4'), text);
  }
  assert.throws(() => parseMailArguments('FROM:<a@b> FOO=1'), refused('555 5.5.4'));
});

test('RCPT: postmaster needs no domain, others do; no parameters', () => {
  assert.equal(parseRcptArguments('TO:<PostMaster>').path.localPart, 'PostMaster');
  assert.throws(() => parseRcptArguments('TO:<alice>'), refused('501 5.1.3'));
  assert.throws(() => parseRcptArguments('TO:<>'), refused('501 5.1.3'));
  assert.throws(() => parseRcptArguments('TO:<a@b> NOTIFY=NEVER'), refused('555 5.5.4'));
});

test('EHLO, BDAT, AUTH arguments', () => {
  assert.equal(parseHelloArgument('[127.0.0.1]'), '[127.0.0.1]');
  for (const text of ['', 'a b', 'a(b)', 'x'.repeat(256)]) {
    assert.throws(() => parseHelloArgument(text), refused('501 5.5.4'), text);
  }
  assert.deepEqual(parseBdatArguments('86 last'), { bytes: 86, last: true });
  assert.deepEqual(parseBdatArguments('0'), { bytes: 0, last: false });
  for (const text of ['', 'x', '-1', '1 FIRST', '1LAST', '1 LAST x']) {
    assert.throws(() => parseBdatArguments(text), refused('501 5.5.4'), text);
  }
  assert.deepEqual(parseAuthArguments('plain AGEAYg=='), { mechanism: 'PLAIN', initialResponse: 'AGEAYg==' });
  assert.throws(() => parseAuthArguments('PLAIN a b'), refused('501 5.5.4'));
});

test('replies', () => {
  assert.equal(formatReply('250 2.1.0', 'OK'), '250 2.1.0 OK\r\n');
  assert.equal(formatReplyLines('250', ['a', 'B', 'C']), '250-a\r\n250-B\r\n250 C\r\n');
  assert.equal(formatReplyLines('214 2.0.0', ['a', 'b']), '214-2.0.0 a\r\n214 2.0.0 b\r\n');
});

/** Decodes with the given cuts; what was decoded, whether it ended, what was left. */
function decode(input: Buffer, cuts: readonly number[]) {
  const decoder = new DataDecoder();
  const pieces: Buffer[] = [];
  let consumed = 0;
  for (let index = 0; index <= cuts.length && !decoder.ended; index++) {
    const chunk = input.subarray(cuts[index - 1] ?? 0, cuts[index] ?? input.length);
    consumed += decoder.push(chunk, { add: (bytes) => pieces.push(bytes) });
  }
  const { ended, bareLineEnd } = decoder;
  return { text: bareLineEnd ? '' : Buffer.concat(pieces).toString('latin1'), ended, bareLineEnd, consumed };
}
const decodeText = (text: string) => decode(Buffer.from(text, 'latin1'), []);

test('DATA: the end and stuffed dots', () => {
  const decoded = (text: string) => {
    const result = decodeText(text);
    assert.equal(result.ended && !result.bareLineEnd, true, JSON.stringify(text));
    return [result.text, result.consumed];
  };
  assert.deepEqual(decoded('.\r\n'), ['', 3]);
  assert.deepEqual(decoded('a\r\n.\r\nQUIT\r\n'), ['a\r\n', 6]);
  assert.deepEqual(decoded('..\r\n.\r\n'), ['.\r\n', 7]);
  assert.deepEqual(decoded('.a\r\n...\r\n.\r\n'), ['a\r\n..\r\n', 12]);
  assert.deepEqual(decoded('a.\r\n.\r\n'), ['a.\r\n', 7]);
  assert.deepEqual(decoded('\r\n\r\n.\r\n'), ['\r\n\r\n', 7]);
  assert.deepEqual(decoded('\0\xff\r\n.\r\n'), ['\0\xff\r\n', 7]);
});

test('DATA: nothing but CR LF . CR LF ends a message, and bare line ends mark it', () => {
  const vectors = [
    '\n.\n',
    '\r\n.\n',
    '\n.\r\n',
    '\r.\r',
    '\r\n.\r',
    '\r.\r\n',
    '\n.\r',
    '\r\n\n.\r\n',
    '\r\r\n.\r\r\n',
    '\r\n\0.\n',
  ];
  for (const vector of vectors) {
    const smuggled = `a${vector}MAIL FROM:<x@y>\r\n.\r\n`;
    const result = decodeText(smuggled);
    assert.equal(result.ended, true, JSON.stringify(vector));
    assert.equal(result.bareLineEnd, true, JSON.stringify(vector));
    assert.equal(result.consumed, smuggled.length, JSON.stringify(vector));
  }
});

test('DATA: where the chunks are cut makes no difference', () => {
  const token = fc.constantFrom('\r', '\n', '.', 'a', '\r\n', '\r\n.', '\r\n.\r\n', 'text', '\0');
  const property = fc.property(
    fc.array(token, { maxLength: 30 }),
    fc.array(fc.nat(60), { maxLength: 8 }),
    (tokens, at) => {
      const input = Buffer.from(tokens.join(''), 'latin1');
      const cuts = at.filter((cut) => cut <= input.length).sort((a, b) => a - b);
      assert.deepEqual(decode(input, cuts), decode(input, []));
    },
  );
  fc.assert(property, { numRuns: 500 });
});

test('DATA: what was stuffed comes back', () => {
  const property = fc.property(fc.array(fc.constantFrom('', '.', '..', 'a', '.a', 'a.', ' .')), (lines) => {
    const message = lines.map((text) => `${text}\r\n`).join('');
    const stuffed = lines.map((text) => `${text.startsWith('.') ? '.' : ''}${text}\r\n`).join('');
    assert.equal(decodeText(`${stuffed}.\r\n`).text, message);
  });
  fc.assert(property, { numRuns: 200 });
});
