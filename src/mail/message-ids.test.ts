import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageIds, ownMessageId, referencedIds } from './message-ids.ts';

test('identifiers are found between their brackets, once each, in order', () => {
  assert.deepEqual(messageIds('<a@b> <c@d>\t<a@b>'), ['a@b', 'c@d']);
  assert.deepEqual(messageIds('<a@b><c@d>'), ['a@b', 'c@d']);
  assert.deepEqual(messageIds('<a\t@b>'), ['a@b']);
  assert.deepEqual(messageIds('<"a"@b>'), ['a@b']);
  assert.deepEqual(messageIds('"x" wrote: <> < > no'), []);
  assert.deepEqual(messageIds(undefined), []);
});

test('the newest references are kept', () => {
  const all = Array.from({ length: 150 }, (_, index) => `<${index}@x>`).join(' ');
  const kept = messageIds(all);
  assert.equal(kept.length, 100);
  assert.equal(kept.at(-1), '149@x');
});

test('a message refers by References, else by In-Reply-To', () => {
  assert.deepEqual(referencedIds('<a@b> <c@d>', '<e@f>'), ['a@b', 'c@d']);
  assert.deepEqual(referencedIds(undefined, '<e@f> <g@h>'), ['e@f']);
  assert.deepEqual(referencedIds('', undefined), []);
});

test('an own identifier may lack its brackets', () => {
  assert.equal(ownMessageId('<a@b> junk'), 'a@b');
  assert.equal(ownMessageId(' a@b '), 'a@b');
  assert.equal(ownMessageId('a b'), undefined);
  assert.equal(ownMessageId(undefined), undefined);
});

test('brackets that never close are passed over in linear time', () => {
  assert.deepEqual(messageIds('<'.repeat(200_000)), []);
  assert.deepEqual(messageIds(`<${'a'.repeat(200_000)}`), []);
});
