// Any bytes are a message: a sane structure, linear work, a codec that gives it back, texts that can be read, and binary parts
// that can be encoded.

import assert from 'node:assert/strict';
import { asBuffer } from '../../src/mail/bytes.ts';
import { parseMessage, parseMessageSteps } from '../../src/mail/mime/parse-message.ts';
import { preview, previewCharactersMax, searchTexts } from '../../src/mail/mime/text.ts';
import { checkBinaryParts } from '../corpus/binary-parts-checks.ts';
import { corpusMessages } from '../corpus/mime-corpus.ts';
import { checkStructure } from '../corpus/structure-checks.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const nested = Buffer.from(
  'Content-Type: multipart/mixed; boundary="b c"\r\n\r\n--b c\r\nContent-Type: message/rfc822\r\n\r\n' +
    'Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: x\r\n\r\ntext\r\n--d--\r\n--b c--\r\n',
);

const binary = Buffer.from(
  'Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n' +
    'Content-Transfer-Encoding: binary\r\n\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\r\n--b--\r\n',
);

export const target: FuzzTarget = {
  name: 'mime',
  seeds: () => [nested, binary, ...corpusMessages().map((message) => message.bytes)],
  run(input) {
    const parsed = parseMessage(input);
    checkStructure(parsed);
    assert.ok(parsed.work <= 8 * input.length + 100, `${parsed.work} bytes looked at of ${input.length}`);
    const steps = parseMessageSteps(input);
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    assert.deepEqual(step.value.root, parsed.root);
    assert.ok([...preview(input, parsed)].length <= previewCharactersMax);
    for (const text of searchTexts(input, parsed)) assert.equal(typeof text, 'string');
    checkBinaryParts(asBuffer(input), 'input');
  },
};
