// The seeded message mix: 60 % text of 4 KB, 30 % multipart/alternative of 30 KB, 10 % multipart/mixed of 300 KB with an
// attachment. The same seed gives the same bytes, so that every server gets the same mail.

import { type Random, seededRandom } from '../src/base/random.ts';

const words =
  'the of and to in is that for it as was with be by on not he his but at are this have from or had an they which one you were all her she there would their we him been has when who will no more if out so up said what its about than into them can only other time new some could these two may first then do any like my now over such our man me even most made after also did many off before must well back through years much where your way down should because long each just state those people too mr how little good world make very year still see own work men day get here old between both life being under three never know same last another while us might great go come since against right came take used himself few house american use place during high without again home around small however found mrs part school thought went say general once upon war left every'.split(
    ' ',
  );

function text(random: Random, bytes: number): string {
  let result = '';
  let line = '';
  while (result.length < bytes) {
    line += `${words[random.integer(words.length)]} `;
    if (line.length > 70) {
      result += `${line.trimEnd()}\r\n`;
      line = '';
    }
  }
  return `${result.slice(0, bytes - 2).replace(/[\r\n]+$/, '')}\r\n`;
}

function base64Lines(random: Random, bytes: number): string {
  const encoded = random.bytes(Math.floor((bytes * 3) / 4)).toString('base64');
  return `${encoded.match(/.{1,76}/g)!.join('\r\n')}\r\n`;
}

function header(random: Random, number: number, contentType: string): string {
  const day = 1 + random.integer(28);
  const subject = Array.from({ length: 5 }, () => words[random.integer(words.length)]).join(' ');
  return [
    'Received: from mail.example.org (mail.example.org [192.0.2.1])',
    `\tby mx.bench.test with ESMTPS id ${random.identifier(12)}`,
    `\tfor <user@bench.test>; ${day} Oct 2026 10:00:00 +0000`,
    `Date: ${day} Oct 2026 10:00:00 +0000`,
    `From: "Sender ${random.integer(500)}" <sender${random.integer(500)}@example.org>`,
    `To: "User" <user@bench.test>, other${random.integer(500)}@example.com`,
    `Subject: ${subject}`,
    `Message-ID: <${number}.${random.identifier(16)}@example.org>`,
    'MIME-Version: 1.0',
    `Content-Type: ${contentType}`,
    'X-Mailer: bench',
    '',
    '',
  ].join('\r\n');
}

export function smallMessage(random: Random, number: number): Buffer {
  const head = header(random, number, 'text/plain; charset=utf-8');
  return Buffer.from(head + text(random, 4096 - head.length), 'latin1');
}

function mediumMessage(random: Random, number: number): Buffer {
  const head = header(random, number, 'multipart/alternative; boundary="b1"');
  const plain = `--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${text(random, 8000)}`;
  const html = `--b1\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<html><body>\r\n${text(random, 21_000)}</body></html>\r\n`;
  return Buffer.from(`${head}${plain}${html}--b1--\r\n`, 'latin1');
}

function largeMessage(random: Random, number: number): Buffer {
  const head = header(random, number, 'multipart/mixed; boundary="b1"');
  const plain = `--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${text(random, 3000)}`;
  const attachment = `--b1\r\nContent-Type: application/octet-stream; name="a.bin"\r\nContent-Disposition: attachment; filename="a.bin"\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64Lines(random, 290_000)}`;
  return Buffer.from(`${head}${plain}${attachment}--b1--\r\n`, 'latin1');
}

/** Which messages a workload sends. */
export type MixName = 'small' | 'mix';

/** Endless; every message has a header and a body of its own. */
export function* messageStream(mix: MixName, seed: number): Generator<Buffer> {
  const random = seededRandom(seed);
  for (let number = 0; ; number++) {
    const draw = mix === 'small' ? 0 : random.integer(10);
    yield draw < 6
      ? smallMessage(random, number)
      : draw < 9
        ? mediumMessage(random, number)
        : largeMessage(random, number);
  }
}

/** The first `count` of the stream: made before the clock starts. */
export function messages(mix: MixName, count: number, seed = 1): Buffer[] {
  const made: Buffer[] = [];
  for (const message of messageStream(mix, seed)) {
    made.push(message);
    if (made.length === count) break;
  }
  return made;
}
