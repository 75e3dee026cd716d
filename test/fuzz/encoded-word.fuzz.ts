// Any header text can be decoded, and never grows beyond what its bytes can mean.

import assert from 'node:assert/strict';
import { decodeHeaderText } from '../../src/mail/encoded-word.ts';
import { parseEnvelope } from '../../src/mail/mime/envelope.ts';
import { baseSubject } from '../../src/mail/subject.ts';
import { corpusMessages } from '../corpus/mime-corpus.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const seeds = [
  '=?utf-8?B?w6TDtsO8?= =?utf-8?Q?=C3?= =?utf-8?q?=A4 x?=',
  'Re: [list] =?iso-2022-jp?B?GyRCRnxLXBsoQg==?= (fwd)',
  '[Fwd: =?UTF-7?Q?+AOQ-?= =?hz-gb-2312?Q?~{VP~}?= \xe4\xc3\xa4]',
];

export const target: FuzzTarget = {
  name: 'encoded-word',
  seeds() {
    const subjects = corpusMessages().map(({ bytes }) => parseEnvelope(bytes).subject ?? '');
    return [...seeds, ...subjects].map((seed) => Buffer.from(seed, 'latin1'));
  },
  run(input) {
    const raw = Buffer.from(input).toString('latin1');
    const text = decodeHeaderText(raw);
    // One byte of some charsets means two characters.
    assert.ok(text.length <= 2 * raw.length, `${text.length} characters out of ${raw.length} bytes`);
    assert.ok(baseSubject(raw).text.length <= 1000);
  },
};
