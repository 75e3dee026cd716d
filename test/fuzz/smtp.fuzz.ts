// Fuzzes what SMTP parses: command lines with their arguments, and the bytes behind DATA. The input's first byte says how
// the rest is cut into chunks; where it is cut must make no difference.

import assert from 'node:assert/strict';
import { parseCommandLine } from '../../src/wire/smtp/command-line.ts';
import { DataDecoder } from '../../src/wire/smtp/data-decoder.ts';
import { parseMailArguments, parseRcptArguments } from '../../src/wire/smtp/envelope-arguments.ts';
import {
  parseAuthArguments,
  parseBdatArguments,
  parseHelloArgument,
} from '../../src/wire/smtp/other-arguments.ts';
import { parsePath, type SmtpPath } from '../../src/wire/smtp/path.ts';
import { SmtpSyntaxError } from '../../src/wire/smtp/smtp-syntax-error.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const seeds = [
  '\x01EHLO client.test\r\n',
  '\x03MAIL FROM:<a.b+c@example.test> SIZE=1000 BODY=8BITMIME SMTPUTF8\r\n',
  '\x05MAIL FROM:<@relay.test,@x.test:"a\\"b c"@[IPv6:2001:db8::1]>\r\n',
  '\x07MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\n',
  '\x02RCPT TO:<gr\xc3\xbcn@\xe4\xbe\x8b.test>\r\n',
  '\x04BDAT 1000 LAST\r\nAUTH PLAIN AGEAYg==\r\nVRFY x\r\n',
  '\x01Subject: x\r\n\r\n..dot\r\n.a\r\n.\r\nQUIT\r\n',
  '\x09a\n.\n\r.\r\r\n.\r\r\n\n.\r\n\r\n.\r\n',
];

/** Runs a parser that may only refuse by SmtpSyntaxError. */
function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof SmtpSyntaxError) return undefined;
    throw error;
  }
}

/** What a path is written as reads back as the same path, and can end no line and no bracket. */
function checkPath(path: SmtpPath): void {
  assert.ok(!/[\r\n\0]/.test(path.text));
  if (path.text === '') return;
  const again = parsePath(`<${path.text}>`, 0, { nullPath: false, postmaster: true });
  assert.equal(again.localPart, path.localPart);
  assert.equal(again.domain, path.domain);
  assert.equal(again.text, path.text);
}

function checkCommand(line: Buffer): void {
  const command = attempt(() => parseCommandLine(line));
  if (command === undefined) return;
  const { argument } = command;
  const mail = attempt(() => parseMailArguments(argument));
  if (mail !== undefined) checkPath(mail.path);
  const rcpt = attempt(() => parseRcptArguments(argument));
  if (rcpt !== undefined) checkPath(rcpt.path);
  attempt(() => parseHelloArgument(argument));
  attempt(() => parseAuthArguments(argument));
  const chunk = attempt(() => parseBdatArguments(argument));
  if (chunk !== undefined) assert.ok(Number.isSafeInteger(chunk.bytes) && chunk.bytes >= 0);
}

function decode(bytes: Buffer, chunkBytes: number) {
  const decoder = new DataDecoder();
  const pieces: Buffer[] = [];
  let consumed = 0;
  while (consumed < bytes.length && !decoder.ended) {
    consumed += decoder.push(bytes.subarray(consumed, consumed + chunkBytes), {
      add: (piece) => pieces.push(piece),
    });
  }
  const { ended, bareLineEnd } = decoder;
  return { ended, bareLineEnd, consumed, message: bareLineEnd ? undefined : Buffer.concat(pieces) };
}

function checkData(bytes: Buffer, chunkBytes: number): void {
  const whole = decode(bytes, Math.max(bytes.length, 1));
  assert.deepEqual(decode(bytes, chunkBytes), whole);
  const text = bytes.toString('latin1');
  const end = text.startsWith('.\r\n') ? 0 : text.indexOf('\r\n.\r\n') + 2;
  const isEnded = text.startsWith('.\r\n') || end >= 2;
  assert.equal(whole.ended, isEnded);
  if (!isEnded) return;
  assert.equal(whole.consumed, end + 3);
  const body = text.slice(0, end);
  assert.equal(whole.bareLineEnd, /\r(?!\n)|(?<!\r)\n/.test(body));
  if (whole.message === undefined) return;
  assert.equal(whole.message.toString('latin1'), body.replace(/(^|\r\n)\./g, '$1'));
}

export const target: FuzzTarget = {
  name: 'smtp',
  seeds: () => seeds.map((seed) => Buffer.from(seed, 'latin1')),
  run(input) {
    const bytes = Buffer.from(input.buffer, input.byteOffset, input.length);
    const chunkBytes = Math.max((bytes[0] ?? 1) & 31, 1);
    const rest = bytes.subarray(1);
    for (let start = 0; start < rest.length; ) {
      const found = rest.indexOf(0x0a, start);
      const end = found < 0 ? rest.length : found + 1;
      checkCommand(rest.subarray(start, end));
      start = end;
    }
    checkData(rest, chunkBytes);
  },
};
