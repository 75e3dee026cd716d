// Messages without their binary parts: random ones, and the corpus with its parts labelled binary and NULs in them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../src/base/random.ts';
import { checkBinaryParts } from './binary-parts-checks.ts';
import { corpusMessages, corpusMissing } from './mime-corpus.ts';

const cte = 'Content-Transfer-Encoding: ';

test('random messages: parts decode to what they were, the tree is the same, and once is enough', () => {
  const random = seededRandom(3516);
  const pick = <Value>(values: readonly Value[]): Value => values[random.integer(values.length)]!;
  const field = (): string =>
    pick([
      '',
      `${cte}binary\r\n`,
      `${cte}binary\r\n`,
      `${cte}binary\r\n`,
      `${cte}BINARY (c)\r\nX: y\r\n`,
      'Content-transfer-encoding:\r\n binary\r\n',
      `${cte}8bit\r\n`,
      `${cte}\r\n${cte}binary\r\n`,
      `${cte}binary\r\n${cte}base64\r\n`,
      `${cte}base64\r\n`,
      `${cte}"binary\n`,
    ]);
  const content = (): string =>
    Array.from({ length: random.integer(6) }, () =>
      pick([
        'text\r\n',
        '\0',
        '\n',
        '\r',
        '\x80',
        '--',
        '\r\n',
        '--x',
        '\r\n--a0\r\n',
        'x'.repeat(random.integer(1500)),
        'A: b\r\n',
      ]),
    ).join('');
  let boundaries = 0;
  const entity = (depth: number): string => {
    const kind = random.integer(depth > 3 ? 3 : 7);
    const type = pick([
      '',
      'Content-Type: text/plain\r\n',
      'Content-Type: application/x; name=y\r\n',
      'Content-Type: message/x\r\n',
    ]);
    if (kind < 4) return `${type}${field()}${pick(['\r\n', '\r\n', '\r\n', '\n', ''])}${content()}`;
    if (kind === 4) return `Content-Type: message/rfc822\r\n${field()}\r\n${entity(depth + 1)}`;
    const boundary = `a${boundaries++}`;
    const subtype = pick(['mixed', 'mixed', 'digest', 'signed']);
    const parts = Array.from(
      { length: random.integer(4) },
      () => `--${boundary}\r\n${entity(depth + 1)}\r\n`,
    );
    return `${field()}Content-Type: multipart/${subtype}; boundary=${boundary}\r\n\r\n${pick(['', content()])}${parts.join('')}${pick([`--${boundary}--`, ''])}${pick(['', content()])}`;
  };
  let count = 0;
  for (let run = 0; run < 10_000; run++) {
    boundaries = 0;
    const text = entity(0);
    count += checkBinaryParts(Buffer.from(text, 'latin1'), JSON.stringify(text));
  }
  assert.ok(count > 1500, `${count} parts encoded`);
});

test('the corpus, as it is and with binary parts', { skip: corpusMissing }, () => {
  let count = 0;
  for (const { name, bytes } of corpusMessages()) {
    assert.equal(checkBinaryParts(bytes, name), 0);
    const text = bytes.toString('latin1').replaceAll(/\r?\n/g, '\r\n');
    const labelled = text.replaceAll(/^content-type:/gim, `${cte}binary\r\n$&`);
    const withNuls = labelled.replaceAll(/(?<=[a-z]) (?=[a-z])/g, '\0');
    for (const changed of [labelled, withNuls, withNuls.replaceAll('\r\n', '\n')])
      count += checkBinaryParts(Buffer.from(changed, 'latin1'), name);
  }
  assert.ok(count > 150, `${count} parts encoded`);
});
