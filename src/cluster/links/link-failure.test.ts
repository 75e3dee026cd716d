import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../base/fault.ts';
import { isMailError, MailError } from '../../mail/mail-error.ts';
import { LinkProtocolError } from './frame.ts';
import { type Answer, answerOf, answerOfError, NotHostedHere, parseAnswer } from './link-failure.ts';

function errorOf(answer: Answer): Error {
  assert.equal(answer.status, 'failed');
  return (answer as Answer & { status: 'failed' }).error;
}

test('an answer is read as it was written; causes stay where they are', () => {
  assert.deepEqual(parseAnswer(answerOf([1, 'two'])), { status: 'value', value: [1, 'two'] });
  const refused = errorOf(parseAnswer(answerOfError(new MailError('overQuota', 'full'))));
  assert.ok(isMailError(refused, 'overQuota') && refused.message === 'full');
  const fault = errorOf(parseAnswer(answerOfError(new Fault('the disk', { temporary: true }))));
  assert.ok(fault instanceof Fault && fault.temporary && fault.message === 'the disk');
  assert.ok(errorOf(parseAnswer(answerOfError(new NotHostedHere()))) instanceof NotHostedHere);
  const bug = errorOf(parseAnswer(answerOfError(new TypeError('secret'))));
  assert.ok(bug instanceof Fault && !bug.temporary && !bug.message.includes('secret'));
});

test('a refusal of a kind that only a newer node knows is a passing trouble', () => {
  assert.ok(isMailError(errorOf(parseAnswer([1, 'kindOfTomorrow', 'why'])), 'unavailable'));
});

test('what is no answer ends the link, and nothing else', () => {
  // What throws when it is made a text.
  const textless = { toString: 1, valueOf: 1 };
  const none: readonly unknown[] = [
    undefined,
    {},
    [],
    [4],
    [textless, 1],
    [1, 'inUse', textless],
    [1, 'inUse'],
    [2, true, textless],
    [2, true, 5],
    [3, textless],
  ];
  for (const wire of none) assert.throws(() => parseAnswer(wire), LinkProtocolError);
});
