// RFC 8265's own examples, the contextual and Bidi rules, and what holds for any text: a form is its own form, and two names
// that a reader takes for one have one form or are no names.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isLeftToRight, isRightToLeft, keepsBidiRule } from './bidi-rule.ts';
import { type DerivedProperty, derivedProperty, isInClass } from './derived-property.ts';
import { opaqueString } from './opaque-string.ts';
import { comparedUsername, usernameCaseMapped } from './username.ts';

test('user names: RFC 8265 section 3.5', () => {
  const forms: readonly (readonly [string, string | undefined])[] = [
    ['juliet@example.com', 'juliet@example.com'],
    ['fussball', 'fussball'],
    ['fu\u00dfball', 'fu\u00dfball'],
    ['\u03c0', '\u03c0'],
    ['\u03a3', '\u03c3'],
    ['\u03c3', '\u03c3'],
    ['\u03c2', '\u03c2'],
    ['foo bar', 'foo bar'],
    // Fullwidth and halfwidth forms are mapped; those of jamo are compatibility forms still.
    ['\uff21\uff22\uff23', 'abc'],
    ['\uff76\uff9e', '\u30ac'],
    ['\uffa1', undefined],
    // No user names: the names in section 3.5's second table.
    ['', undefined],
    ['henry\u2163', undefined],
    ['\u265a', undefined],
  ];
  for (const [text, form] of forms) assert.equal(usernameCaseMapped(text), form, JSON.stringify(text));
});

test('secrets: RFC 8265 section 4.3', () => {
  const forms: readonly (readonly [string, string | undefined])[] = [
    ['correct horse battery staple', 'correct horse battery staple'],
    ['Correct Horse Battery Staple', 'Correct Horse Battery Staple'],
    ['\u03c0\u00df\u00e5', '\u03c0\u00df\u00e5'],
    ['Jack of \u2666s', 'Jack of \u2666s'],
    ['foo\u1680bar', 'foo bar'],
    ['', undefined],
    ['my cat is a \u0009by', undefined],
  ];
  for (const [text, form] of forms) assert.equal(opaqueString(text), form, JSON.stringify(text));
  // Spaces in front and behind count, as does letter case; letters and their accents come together.
  assert.equal(opaqueString('\u3000A\u030a '), ' \u00c5 ');
  for (const text of [
    'a\u00adb',
    'a\ufe0f',
    '\u2764\ufe0f',
    'a\u200b',
    '\ud800',
    '\ue000',
    '\uffff',
    '\u1100',
  ])
    assert.equal(opaqueString(text), undefined, JSON.stringify(text));
  assert.equal(opaqueString('\u{1f600} \u2163 \ufb01'), '\u{1f600} \u2163 \ufb01');
});

test('the property of a code point: RFC 8264 section 9', () => {
  const examples: Readonly<Record<DerivedProperty, string>> = {
    valid: 'aA0~!\u00df\u03c2\u06fd\u3007\u0301\u4e00\uac00\u05d0\u{10400}',
    freeform: ' \u00a0\u2163\u2665\u00bd\u01c5\u20dd\ufb01\uff21\u3131\u00aa\u3000',
    contextual: '\u200c\u200d\u00b7\u0375\u05f3\u05f4\u30fb\u0660\u06f9',
    disallowed:
      '\u0000\u007f\u0085\u0640\u07fa\u302e\u3031\u303b\u1100\ua960\ud7b0\u00ad\u034f\u115f\u180b\ufe0f\ufffe\ufdd0\ue000\u2028',
    unassigned: '\u0378\u{2fe0}',
  };
  for (const [property, characters] of Object.entries(examples))
    for (const character of characters)
      assert.equal(derivedProperty(character), property, character.codePointAt(0)!.toString(16));
  // Thai sara am has a compatibility form, and so stands in secrets only.
  assert.equal(derivedProperty('\u0e33'), 'freeform');
  assert.equal(derivedProperty('\ud800'), 'disallowed');
});

test('characters that need neighbours: RFC 5892 appendix A', () => {
  const allowed = [
    '\u0915\u094d\u200c\u0937', // virama, non-joiner
    '\u0628\u200c\u0628', // joining on both sides
    '\u0628\u064e\u200c\u064e\u0627', // through marks
    '\u0915\u094d\u200d\u0937',
    'l\u00b7l',
    '\u0375\u03b1',
    '\u05d0\u05f3',
    '\u05d0\u05f4',
    '\u30a2\u30fb',
    '\u30fb\u4e00',
    '\u0660\u0661',
    '\u06f0\u06f1',
  ];
  const refused = [
    'a\u200cb',
    '\u200c',
    '\u0628\u200c',
    '\u0627\u200c\u0628', // alef joins nothing behind it
    'a\u200db',
    '\u0915\u200d',
    '\u05b0\u200d',
    'l\u00b7a',
    '\u00b7l',
    '\u0375a',
    '\u03b1\u0375',
    'a\u05f3',
    '\u05f4\u05d0',
    'a\u30fbb',
    '\u0660\u06f0',
  ];
  for (const text of allowed) assert.ok(isInClass(text, 'identifier'), JSON.stringify(text));
  for (const text of refused) {
    assert.ok(!isInClass(text, 'identifier'), JSON.stringify(text));
    assert.ok(!isInClass(text, 'freeform'), JSON.stringify(text));
  }
});

test('the Bidi rule: RFC 5893 section 2', () => {
  const kept = [
    'abc',
    '1a',
    '\u05d0',
    '\u05d0\u05b0',
    '\u05d01',
    '\u05d0-1',
    '\u0628\u0660',
    '\u07c1',
    '\u{1e900}',
    '\u05d0\u05f3\u05d1',
  ];
  const broken = [
    'a\u05d0',
    '\u05d0a',
    '1\u05d0',
    '\u05d0-',
    '\u06281\u0660',
    '-\u05d0',
    '\u0660',
    '\u05d0\u00e4\u05d0',
    '\u0301\u05d0',
  ];
  for (const text of kept) assert.ok(keepsBidiRule(text), JSON.stringify(text));
  for (const text of broken) assert.ok(!keepsBidiRule(text), JSON.stringify(text));
  for (const text of broken) assert.equal(usernameCaseMapped(text), undefined, JSON.stringify(text));
  assert.deepEqual([...'\u05d0\u0627\ufe8d\u200f\u05be'].map(isRightToLeft), [true, true, true, true, true]);
  assert.deepEqual([...'a0-\u0301\u0660\u060c\u2665\u4e00'].map(isRightToLeft), Array(8).fill(false));
  assert.deepEqual([...'a\u4e00\u0903'].map(isLeftToRight), [true, true, true]);
  assert.deepEqual([...'0-\u0301\u05d0\u02c6 '].map(isLeftToRight), Array(6).fill(false));
});

const scripts = fc.constantFrom(
  ...[
    'a',
    'K',
    '\u212a',
    '\u00c5',
    'A\u030a',
    '\u0130',
    '\u03a3',
    '\uff21',
    '\uff76\uff9e',
    '\uffa1',
    '\u0628',
    '\u05d0',
  ],
  ...[
    '\u0660',
    '\u200d',
    '\u094d',
    '\u00ad',
    '\ufb01',
    '\u1e9e',
    '\u03f4',
    '\u0345',
    '\u1fbc',
    '.',
    '1',
    '\u0327',
    '\u0323',
  ],
);
const texts = fc.oneof(
  fc.array(scripts, { maxLength: 8 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary' }),
);

test('a form is its own form, whatever the text', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const form = comparedUsername(text);
      assert.equal(comparedUsername(form), form);
      const name = usernameCaseMapped(text);
      if (name !== undefined) {
        assert.equal(usernameCaseMapped(name), name);
        // Nothing in a name has another form that looks the same.
        assert.equal(name.normalize('NFKC'), name);
        assert.equal(comparedUsername(text.normalize('NFD')), name);
      }
      const secret = opaqueString(text);
      if (secret !== undefined) assert.equal(opaqueString(secret), secret);
    }),
    { numRuns: 3000 },
  );
});
