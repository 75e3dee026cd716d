import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MailboxPattern } from './mailbox-pattern.ts';

const matches = (pattern: string, name: string, reference = ''): boolean =>
  new MailboxPattern(reference, pattern).matches(name);

test('wildcards of LIST', () => {
  assert.ok(matches('*', 'a/b'));
  assert.ok(matches('%', 'a'));
  assert.ok(!matches('%', 'a/b'));
  assert.ok(matches('a/%', 'a/b'));
  assert.ok(!matches('a/%', 'a'));
  assert.ok(matches('%/%', 'a/b'));
  assert.ok(!matches('%/%', 'a/b/c'));
  assert.ok(matches('*c', 'a/b/c'));
  assert.ok(matches('inbox', 'INBOX'));
  assert.ok(matches('InBox/%', 'INBOX/lists'));
  assert.ok(!matches('inboxes', 'INBOXES'));
  assert.ok(matches('b%', 'a/bc', 'a/'));
  assert.ok(!matches('', 'a'));
});

test('the same as the regular expression, and quick where that one is not', () => {
  const letters = fc.constantFrom('a', 'b', '/', '*', '%');
  const word = fc.array(letters, { maxLength: 8 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(word, word, (pattern, text) => {
      const name = text.replaceAll(/[*%]/g, 'c');
      const expression = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('%', '[^/]*')}$`);
      assert.equal(matches(pattern, name), expression.test(name));
    }),
    { numRuns: 500 },
  );
  assert.ok(!matches('*a'.repeat(200), 'a'.repeat(199)));
});
