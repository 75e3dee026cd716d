// What parsing costs at delivery, in microseconds a message, warm: structure, envelope, preview and the encoded
// structure, for the three kinds of the message mix and for the corpus. `node bench/mime.ts`

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { readOptions } from '../scripts/read-options.ts';
import { parseMessage } from '../src/mail/mime/parse-message.ts';
import { decodeStructure, encodeStructure } from '../src/mail/mime/structure-codec.ts';
import { preview, searchTexts } from '../src/mail/mime/text.ts';

readOptions(
  new Command('node bench/mime.ts').description(
    'Measures what parsing costs at delivery, in microseconds a message, warm: the three kinds of the message mix, and the corpus.',
  ),
);

const measuredMs = 400;
const warmUpMs = 200;
const corpusFolder = new URL('../../shared/corpus/mime/', import.meta.url).pathname;

const header = [
  'Return-Path: <sender@example.org>',
  'Received: from mx.example.org (mx.example.org [192.0.2.1])',
  '\tby mail.example.test with ESMTPS (TLS_AES_256_GCM_SHA384 TLSv1.3) id 01J8ZK3V7N',
  '\tfor <alice@example.test>; Wed, 11 Feb 2026 11:51:00 +0000',
  'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=mail;',
  '\th=from:to:subject:date:message-id; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;',
  '\tb=dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZVoG4ZHRNiYzR',
  'From: "Sender, Some" <sender@example.org>',
  'To: Alice <alice@example.test>, =?utf-8?Q?Bj=C3=B6rn?= <bob@example.test>',
  'Subject: Minutes of the meeting on Wednesday',
  'Date: Wed, 11 Feb 2026 11:50:58 +0000',
  'Message-ID: <20260211115058.12345@example.org>',
  'References: <a@example.org> <b@example.org>',
  'MIME-Version: 1.0',
];

function lines(bytes: number): string {
  const line = 'The quick brown fox jumps over the lazy dog, and then it does so once more.\r\n';
  return line
    .repeat(Math.ceil(bytes / line.length))
    .slice(0, bytes - 2)
    .concat('\r\n');
}

function base64Lines(bytes: number): string {
  const line = `${'QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0'.slice(0, 76)}\r\n`;
  return line.repeat(Math.ceil(bytes / line.length));
}

function textMessage(): Buffer {
  const head = [
    ...header,
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    '',
  ];
  const start = head.join('\r\n');
  return Buffer.from(start + lines(4096 - start.length));
}

function multipartMessage(textBytes: number, attachmentBytes: number): Buffer {
  const alternative = [
    '--inner',
    'Content-Type: text/plain; charset=utf-8',
    '',
    lines(textBytes / 3),
    '--inner',
    'Content-Type: text/html; charset=utf-8',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    `<html><body>${lines((textBytes * 2) / 3)}</body></html>`,
    '--inner--',
  ];
  const attachment = [
    'Content-Type: application/pdf; name="report.pdf"',
    'Content-Disposition: attachment; filename="report.pdf"',
    'Content-Transfer-Encoding: base64',
    '',
    base64Lines(attachmentBytes),
  ];
  const body = ['--outer', 'Content-Type: multipart/alternative; boundary="inner"', '', ...alternative];
  if (attachmentBytes > 0) body.push('--outer', ...attachment);
  body.push('--outer--', '');
  return Buffer.from(
    [...header, 'Content-Type: multipart/mixed; boundary="outer"', '', ...body].join('\r\n'),
  );
}

/** Microseconds a call, after warming up. */
function measure(work: () => void): number {
  const warm = performance.now();
  while (performance.now() - warm < warmUpMs) work();
  let calls = 0;
  const start = performance.now();
  let elapsed = 0;
  while (elapsed < measuredMs) {
    for (let index = 0; index < 10; index++) work();
    calls += 10;
    elapsed = performance.now() - start;
  }
  return (elapsed * 1000) / calls;
}

function report(name: string, messages: readonly Buffer[]): void {
  const structures = messages.map((message) => encodeStructure(parseMessage(message)));
  const each = (work: (message: Buffer, index: number) => void) =>
    measure(() => messages.forEach(work)) / messages.length;
  const row = {
    bytes: Math.round(messages.reduce((sum, message) => sum + message.length, 0) / messages.length),
    parse: each((message) => void parseMessage(message)),
    'parse+preview+encode': each((message) => {
      const parsed = parseMessage(message);
      preview(message, parsed);
      encodeStructure(parsed);
    }),
    decode: each((_, index) => void decodeStructure(structures[index]!)),
    'search texts': each((message) => {
      for (const text of searchTexts(message, decodeStructure(encodeStructure(parseMessage(message)))))
        text.length;
    }),
    'encoded bytes': structures.reduce((sum, bytes) => sum + bytes.length, 0) / structures.length,
  };
  const columns = Object.entries(row).map(
    ([key, value]) => `${key} ${value.toFixed(key.includes('bytes') ? 0 : 1)}`,
  );
  console.log(`${name.padEnd(24)} ${columns.join(' | ')}`);
}

console.log('microseconds a message, warm');
report('4 KB text', [textMessage()]);
report('30 KB multipart', [multipartMessage(30_000, 0)]);
report('300 KB with attachment', [multipartMessage(10_000, 290_000)]);
if (existsSync(corpusFolder)) {
  const folders = readdirSync(corpusFolder).map((folder) => join(corpusFolder, folder));
  const files = folders.flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)));
  report(
    `corpus (${files.length} messages)`,
    files.map((file) => readFileSync(file)),
  );
} else console.log(`corpus skipped: no ${corpusFolder}`);
