// Any bytes are a header: its fields cover it without gap, and what HEADER.FIELDS and HEADER.FIELDS.NOT give together is
// every line of it once.

import assert from 'node:assert/strict';
import { FieldNames, selectedFields } from '../../src/mail/field-names.ts';
import { fieldName, fieldValue, headerFields, offsetsPerField } from '../../src/mail/header.ts';
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
    const hasBody = block.end < input.length;
    const names = block.count > 0 ? [fieldName(input, block, 0)] : [];
    const chosen = selectedFields(input, block, { names: new FieldNames(names), matching: true, hasBody });
    const others = selectedFields(input, block, { names: new FieldNames(names), matching: false, hasBody });
    // A blank line each where there is one or a body, and a line break for a field that the input cut off.
    const blankLines = hasBody || block.end > block.fieldsEnd ? 4 : 0;
    const extra = chosen.length + others.length - block.fieldsEnd - blankLines;
    assert.ok(extra === 0 || extra === 2, `${extra} bytes more than the header`);
  },
};
