// Any bytes are a header: its fields cover it without gap, and what HEADER.FIELDS and HEADER.FIELDS.NOT give together is
// every line of it once.

import assert from 'node:assert/strict';
import {
  fieldName,
  fieldValue,
  headerFields,
  offsetsPerField,
  selectedFields,
} from '../../src/mail/header.ts';
import { decodedParameters, parseParameterized } from '../../src/mail/parameter.ts';
import { corpusMessages } from '../corpus/mime-corpus.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const seed = Buffer.from(
  'From - Fri\r\nSubject : a\r\n \r\n b\r\nnonsense\r\nContent-Type: text/plain; name*0*=utf-8\'\'%C3; name*1="x\\"y"\r\n\r\nbody',
);

export const target: FuzzTarget = {
  name: 'header',
  seeds: () => [seed, ...corpusMessages().map((message) => message.bytes.subarray(0, 4096))],
  run(input) {
    const block = headerFields(input);
    let position = 0;
    for (let index = 0; index < block.count; index++) {
      const [start, nameEnd, valueStart, end] = block.offsets.subarray(index * offsetsPerField);
      assert.equal(start, position);
      assert.ok(nameEnd! >= start! && valueStart! >= nameEnd! && end! > start! && end! >= valueStart!);
      position = end!;
      const parsed = parseParameterized(fieldValue(input, block, index));
      for (const [name, value] of decodedParameters(parsed.parameters))
        assert.ok(name !== '' && typeof value === 'string');
    }
    assert.equal(position, block.fieldsEnd);
    assert.ok(block.end >= block.fieldsEnd && block.end <= input.length);
    const names = block.count > 0 ? [fieldName(input, block, 0)] : [];
    const chosen = selectedFields(input, block, names, true);
    const others = selectedFields(input, block, names, false);
    // Two blank lines, and a line break for a field that the input cut off.
    const extra = chosen.length + others.length - block.fieldsEnd;
    assert.ok(extra === 4 || extra === 6, `${extra} bytes more than the header`);
  },
};
