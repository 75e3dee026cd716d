// Folded texts taken apart: their terms, what stands between them, and what a search asks of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TermWalk, termQuery } from './terms.ts';

const word = fc.constantFrom(
  'school',
  'ünder_score',
  '4711',
  'a',
  '東京都',
  '東',
  'แมว',
  '😀',
  'x'.repeat(70),
);
const gap = fc.constantFrom(' ', '', ', ', ' - ', '@', '  ', '-'.repeat(20));
const text = fc.array(fc.tuple(gap, word, gap), { maxLength: 8 }).map((some) => some.flat().join(''));

test('terms: runs of word characters, pairs of unspaced ones, long runs in pieces', () => {
  const terms = (folded: string): string[] => {
    const all: string[] = [];
    new TermWalk(folded, { term: (term) => all.push(term), gap: () => {} }).advance(folded.length);
    return all;
  };
  const gaps = (folded: string): (string | boolean)[] => {
    const all: (string | boolean)[] = [];
    const gap = (raw: string, isBetweenWords: boolean): void => void all.push(raw, isBetweenWords);
    new TermWalk(folded, { term: () => {}, gap }).advance(folded.length);
    return all;
  };
  assert.deepEqual(terms("foo_bar, it's 東京都x"), ['foo_bar', 'it', 's', '東京', '京都', 'x']);
  assert.deepEqual(gaps("- foo_bar, it's 東京都x."), [', ', true, "'", true, ' ', false, '', false]);
  assert.deepEqual(terms('x'.repeat(70)), ['x'.repeat(64), 'x'.repeat(38)]);
  assert.deepEqual(gaps('x'.repeat(70)), ['', false]);
  const whole = { isExact: true, sequence: undefined, isSequenceExact: true };
  assert.deepEqual(termQuery('foo'), { ...whole, needles: ['foo'] });
  assert.deepEqual(termQuery('東京'), { ...whole, needles: ['\n東京\n'] });
  assert.deepEqual(termQuery('foo bar.'), {
    needles: ['foo\n', '\nbar\n'],
    isExact: false,
    sequence: [{ needle: 'foo\n' }, { needle: '\nbar\n' }],
    isSequenceExact: false,
  });
  assert.deepEqual(termQuery('o, 京')?.sequence, [{ needle: 'o\n' }, { gap: ', ' }, { needle: '\n京' }]);
  assert.equal(termQuery(' - '), undefined);
  for (let code = 0; code < 65_536; code++) {
    const character = String.fromCharCode(code);
    if (/\s/.test(character)) assert.deepEqual(terms(`a${character}b`), ['a', 'b'], code.toString(16));
  }
});

test('a text that is taken apart in steps gives the same terms and gaps', () => {
  const taken = (folded: string, characters: number): string[] => {
    const all: string[] = [];
    const walk = new TermWalk(folded, {
      term: (term) => all.push(term),
      gap: (raw, isBetweenWords) => all.push(`${raw} between words: ${isBetweenWords}`),
    });
    while (walk.advance(characters));
    return all;
  };
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 20 }), (folded, characters) =>
      assert.deepEqual(taken(folded, characters), taken(folded, folded.length)),
    ),
  );
});

test('a text of any length asks for few terms in a row, and does not say that they are all of it', () => {
  for (const repeated of ['the ', 'the of ', '東京 a, ', 'x-']) {
    const query = termQuery(repeated.repeat(10_000).trim())!;
    assert.ok(query.needles.length < 64 && query.sequence!.length < 100, repeated);
    assert.deepEqual([query.isExact, query.isSequenceExact], [false, false], repeated);
  }
});
