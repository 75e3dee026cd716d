import assert from 'node:assert/strict';
import { test } from 'node:test';
import { baseSubject, decodedSubject } from './subject.ts';

const cases: [string | undefined, string, boolean][] = [
  ['Hello', 'Hello', false],
  ['Re: Hello', 'Hello', true],
  ['RE: re: Fwd: FW: Hello', 'Hello', true],
  ['Re[2]: Hello', 'Hello', true],
  ['[list] Re: Hello', 'Hello', true],
  ['[list] Hello', 'Hello', false],
  ['[list]', '[list]', false],
  ['Re: [list] [other] Hello (fwd)', 'Hello', true],
  ['Hello (fwd) (FWD) ', 'Hello', true],
  ['[Fwd: [Fwd: FW: Another Priceless  Moment]]', 'Another Priceless Moment', true],
  ['Re :Hello', 'Hello', true],
  ['=?utf-8?Q?Re:_=C3=A4?=', 'ä', true],
  ['Regarding: x', 'Regarding: x', false],
  ['Re:', '', true],
  [undefined, '', false],
];

for (const [raw, text, isReply] of cases) {
  test(`base subject of ${JSON.stringify(raw)}`, () => assert.deepEqual(baseSubject(raw), { text, isReply }));
}

test('decoded subject', () => {
  assert.equal(decodedSubject('  =?utf-8?Q?=C3=A4?=\t x '), 'ä x');
});

test('any pile of prefixes comes to an end', () => {
  assert.equal(baseSubject('[a]'.repeat(5000)).isReply, false);
  assert.equal(baseSubject('Re: '.repeat(5000)).text, '');
});
