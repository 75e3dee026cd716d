import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { finishAtOnce } from '../../base/slicer.ts';
import { mimeLimits, parseMessage } from './parse-message.ts';
import { findBinaryParts, withoutBinaryParts } from './without-binary-parts.ts';

/** The message itself when there is nothing to encode. */
function encoded(bytes: Buffer): Buffer {
  const found = finishAtOnce(findBinaryParts(bytes, parseMessage(bytes)));
  if (found === undefined) return bytes;
  const result = finishAtOnce(withoutBinaryParts(bytes, found));
  assert.equal(result.length, found.size);
  return result;
}

const lines = (...texts: readonly string[]): string => texts.join('\r\n');
const becomes = (text: string, expected: string): void =>
  assert.equal(encoded(Buffer.from(text, 'latin1')).toString('latin1'), expected);
const stays = (text: string): void => becomes(text, text);

const cte = 'Content-Transfer-Encoding: ';

test('a binary part is in base64, its field is changed, and nothing else', () => {
  const message = (encoding: string, body: string): string =>
    lines('Subject: a\0b', encoding, 'X-After: y', '', body);
  becomes(message(`${cte}binary`, 'a\0b\r\n'), message(`${cte}base64`, 'YQBiDQo=\r\n'));
  becomes(
    message('content-transfer-encoding :\r\n\tBinary (as it is)', 'a\n'),
    message('content-transfer-encoding :\r\n\tbase64', 'YQo=\r\n'),
  );
  becomes(
    message('Content-Transfer-Encoding:binary', '\r'),
    message('Content-Transfer-Encoding:base64', 'DQ==\r\n'),
  );
  // Readers do not agree on which one counts.
  becomes(
    message(`${cte}(x)"binary"\r\n${cte}8bit\r\nContent-Transfer-Encoding:`, '\0'),
    message(`${cte}base64\r\n${cte}base64\r\nContent-Transfer-Encoding:base64`, 'AA==\r\n'),
  );
  const long = Buffer.alloc(999, 'x');
  const line = /.{1,76}/g;
  becomes(
    message(`${cte}binary`, long.toString()),
    message(`${cte}base64`, `${lines(...long.toString('base64').match(line)!)}\r\n`),
  );
  // Line ends of a header stay.
  becomes(`${cte}binary\nSubject: x\n\na\nb`, `${cte}base64\nSubject: x\n\nYQpi\r\n`);
});

test('what 8bit data can tell stays, and what is not labelled binary', () => {
  stays(lines(`${cte}binary`, '', 'text', 'x'.repeat(998), '\xe4', ''));
  stays(lines(`${cte}binary`, '', ''));
  stays(`${cte}binary`);
  stays(lines(`${cte}8bit`, '', 'a\0b'));
  stays(lines('Subject: x', '', 'a\0b'));
  stays(lines(`${cte}base64`, `${cte}binary`, '', 'a\0b'));
  stays(lines(`${cte}x-own`, '', 'a\0b'));
  // Base64 is not for messages (RFC 2045 6.4), nor may their fragments be encoded (RFC 2046 5.2.2).
  stays(lines('Content-Type: message/delivery-status', `${cte}binary`, '', 'a\0b'));
  stays(lines('Content-Type: message/partial; id=1', `${cte}binary`, '', 'a\0b'));
});

test('multiparts and messages are labelled by what they hold then', () => {
  const message = (label: string, leaf: string, text: string): string =>
    lines(
      'Content-Type: multipart/mixed; boundary=a',
      `${cte}${label}`,
      '',
      'preamble',
      '--a',
      'Content-Type: message/rfc822',
      `${cte}${label}`,
      '',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      leaf,
      '--b',
      '',
      text,
      '--b--',
      '--a',
      `${cte}binary`,
      '',
      'told as it is',
      '--a--',
      'epilogue',
    );
  const binary = lines(`${cte}binary`, '', '\0\r\n');
  const base64 = lines(`${cte}base64`, '', 'AA0K');
  becomes(message('binary', binary, 'text'), message('7bit', base64, 'text'));
  becomes(message('BINARY', binary, 't\xe4xt'), message('8bit', base64, 't\xe4xt'));
  // Labelled so that it cannot be told, and not by us: what holds it has to be binary.
  becomes(message('Binary', binary, 't\0xt'), message('Binary', base64, 't\0xt'));
  becomes(message('8bit', binary, 'text'), message('8bit', base64, 'text'));
  // Nothing in it is encoded.
  stays(message('binary', base64, 't\0xt'));
});

test('each is labelled by its own', () => {
  const message = (outer: string, inner: string, body: string): string =>
    lines(
      'Content-Type: multipart/mixed; boundary=a',
      `${cte}${outer}`,
      '',
      '\x80',
      '--a',
      'Content-Type: message/rfc822',
      `${cte}${inner}`,
      '',
      `${cte}${body}`,
      '--a--',
    );
  becomes(message('binary', 'binary', 'binary\r\n\r\n\0'), message('8bit', '7bit', 'base64\r\n\r\nAA=='));
});

test('what is signed stays', () => {
  const signed = (outer: string, after: string): string =>
    lines(
      'Content-Type: multipart/mixed; boundary=a',
      `${cte}${outer}`,
      '',
      '--a',
      'Content-Type: multipart/signed; boundary=b; protocol="application/pgp-signature"',
      '',
      '--b',
      'Content-Type: multipart/mixed; boundary=c',
      '',
      '--c',
      `${cte}binary`,
      '',
      '\0',
      '--c--',
      '--b',
      'Content-Type: application/pgp-signature',
      '',
      'x',
      '--b--',
      '--a',
      after,
      '--a--',
      '',
    );
  stays(signed('binary', lines('', 'x')));
  becomes(
    signed('binary', lines(`${cte}binary`, '', '\0')),
    signed('binary', lines(`${cte}base64`, '', 'AA==')),
  );
});

test('a message stays that was not looked into to its end', () => {
  const message = (parts: number): string =>
    lines(
      'Content-Type: multipart/mixed; boundary=a',
      '',
      ...Array.from({ length: parts }, () => `--a\r\n${cte}binary\r\n\r\n\0`),
      '--a--',
    );
  stays(message(mimeLimits.partsMax));
  const many = message(mimeLimits.partsMax - 2);
  becomes(many, many.replaceAll('binary', 'base64').replaceAll('\0', 'AA=='));
  // A header that ends where its text does, and one that is longer than it may be, of which the rest is body.
  stays(`${cte}binary\r\nno field\0`);
  const filler = 'X-Filler: 0123456789\r\n'.repeat(mimeLimits.headerBytesMax / 20);
  stays(`${cte}binary\r\n${filler}\r\n\0`);
  // One that would be.
  const header = (encoding: string, octets: number): string => {
    const fields = `${cte}${encoding}\r\nContent-Transfer-Encoding:${encoding === 'base64' ? encoding : ''}\r\nX-Filler: `;
    return `${fields}${'x'.repeat(octets - fields.length - 4)}\r\n\r\n`;
  };
  const most = mimeLimits.headerBytesMax;
  becomes(`${header('binary', most - 6)}\0`, `${header('base64', most)}AA==\r\n`);
  stays(`${header('binary', most - 5)}\0`);
});

test('large parts, in steps', () => {
  const body = Buffer.from(seededRandom(1).bytes(3_000_000));
  const header = lines('Content-Type: multipart/mixed; boundary=a', '', '--a', `${cte}binary`, '', '');
  const text = 'some text\r\n'.repeat(500_000);
  const bytes = Buffer.concat([Buffer.from(header), body, Buffer.from(`\r\n--a\r\n\r\n${text}--a--\r\n`)]);
  const found = finishAtOnce(findBinaryParts(bytes, parseMessage(bytes)))!;
  const steps = withoutBinaryParts(bytes, found);
  let count = 0;
  let step = steps.next();
  for (; !step.done; step = steps.next()) count++;
  assert.ok(count >= 3_000_000 / 256 / 1024 + text.length / 4 / 1024 / 1024);
  const told = step.value as Buffer;
  assert.equal(told.length, found.size);
  const part = parseMessage(told).root.children[0]!;
  const base64 = told.toString('latin1', part.bodyStart, part.bodyEnd);
  assert.equal(base64, body.toString('base64').replaceAll(/.{76}(?!$)/g, '$&\r\n'));
  assert.ok(told.toString('latin1', part.bodyEnd).endsWith(`\r\n\r\n${text}--a--\r\n`));
});
