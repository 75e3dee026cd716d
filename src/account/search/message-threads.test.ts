// Threading: the RFC's rules on small examples, and for any references a forest of all messages.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ThreadAlgorithm } from '../../mail/message-order.ts';
import { type ThreadedMessages, threadSteps } from './message-threads.ts';

interface Given {
  readonly id: number;
  readonly references: readonly number[];
  readonly subject?: string;
  readonly isReply?: boolean;
  readonly sent?: number;
}

function messages(given: readonly Given[]): ThreadedMessages {
  return {
    count: given.length,
    sentSeconds: Float64Array.from(given, (one, at) => one.sent ?? at),
    subject: (at) => given[at]!.subject?.codePointAt(0) ?? 0,
    isReply: (at) => given[at]!.isReply ?? false,
    messageId: (at) => given[at]!.id,
    references: (at) => given[at]!.references,
  };
}

function threadMessages(given: ThreadedMessages, algorithm: ThreadAlgorithm): Int32Array {
  const steps = threadSteps(given, algorithm);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** As `0(1(2)3)`: children in parentheses, `-` for a place. */
function drawn(pairs: Int32Array): string {
  let text = '';
  for (let at = 0, before = -1; at < pairs.length; at += 2) {
    const depth = pairs[at]!;
    text += depth > before ? '('.repeat(depth - before) : `${')'.repeat(before - depth)} `;
    text += pairs[at + 1] === -1 ? '-' : pairs[at + 1];
    before = depth;
  }
  return text;
}

test('references: chains, broken chains, loops, doubles', () => {
  const refs = (given: readonly Given[]): string => drawn(threadMessages(messages(given), 'references'));
  assert.equal(
    refs([
      { id: 1, references: [] },
      { id: 2, references: [1] },
      { id: 3, references: [1, 2] },
    ]),
    '(0(1(2',
  );
  // A message that is not here keeps its answers together; alone it is nothing.
  assert.equal(
    refs([
      { id: 2, references: [9] },
      { id: 3, references: [9] },
    ]),
    '(-(0 1',
  );
  assert.equal(refs([{ id: 2, references: [9] }]), '(0');
  // Missing ones between: the nearest that is here.
  assert.equal(
    refs([
      { id: 1, references: [] },
      { id: 5, references: [1, 7, 8] },
    ]),
    '(0(1',
  );
  assert.equal(
    refs([
      { id: 1, references: [2] },
      { id: 2, references: [1] },
    ]),
    '(1(0',
  );
  assert.equal(refs([{ id: 1, references: [1] }]), '(0');
  assert.equal(
    refs([
      { id: 1, references: [] },
      { id: 1, references: [] },
      { id: 2, references: [1] },
    ]),
    '(0(2) 1',
  );
});

test('references: threads of one subject become one', () => {
  const merged = (given: readonly Given[]): string => drawn(threadMessages(messages(given), 'references'));
  const plain = { id: 0, references: [], subject: 'S' };
  const reply = { ...plain, isReply: true };
  assert.equal(merged([plain, reply]), '(0(1');
  assert.equal(merged([reply, plain]), '(1(0');
  assert.equal(merged([plain, plain, reply]), '(-(0 1 2');
  assert.equal(merged([reply, reply]), '(-(0 1');
  assert.equal(
    merged([
      { ...plain, subject: '' },
      { ...reply, subject: '' },
    ]),
    '(0 1',
  );
  const answers = [8, 9].map((id) => ({ id, references: [7], subject: 'S', isReply: true }));
  assert.equal(merged([...answers, plain]), '(-(0 1 2');
});

test('any references give a forest of all messages', () => {
  const id = fc.nat(12);
  const given = fc.record({
    id,
    references: fc.array(
      id.map((one) => one + 1),
      { maxLength: 6 },
    ),
    subject: fc.constantFrom('', 'A', 'B'),
    isReply: fc.boolean(),
    sent: fc.nat(5),
  });
  fc.assert(
    fc.property(
      fc.array(given, { maxLength: 20 }),
      fc.constantFrom('references' as const, 'refs' as const, 'orderedSubject' as const),
      (all, algorithm) => {
        const pairs = threadMessages(messages(all), algorithm);
        const seen: number[] = [];
        let depthBefore = -1;
        for (let at = 0; at < pairs.length; at += 2) {
          assert(pairs[at]! <= depthBefore + 1, 'a parent comes before its children');
          depthBefore = pairs[at]!;
          if (pairs[at + 1]! >= 0) seen.push(pairs[at + 1]!);
          // A place begins a thread and has more than one answer.
          else assert(pairs[at] === 0 && pairs[at + 2] === 1 && pairs.subarray(at + 4).includes(1));
        }
        assert.deepEqual(
          seen.sort((a, b) => a - b),
          all.map((_, index) => index),
        );
      },
    ),
    { numRuns: 300 },
  );
});

test('references made to cost time do not', () => {
  const count = 20_000;
  const chain = Array.from({ length: count }, (_, at) => ({ id: at + 1, references: at === 0 ? [] : [at] }));
  const loops = Array.from({ length: 2_000 }, (_, at) => ({
    id: count + at + 1,
    references: Array.from({ length: 50 }, () => [count, 1]).flat(),
  }));
  const pairs = threadMessages(messages([...chain, ...loops]), 'references');
  assert.equal(pairs.length, 2 * (count + 2_000));
});

test('between two steps few messages are looked at', () => {
  const count = 20_000;
  for (const algorithm of ['references', 'refs', 'orderedSubject'] as const) {
    let looks = 0;
    let most = 0;
    const subject = (at: number): number => {
      looks++;
      return 1 + (at % 7000);
    };
    const references = (): number[] => {
      looks++;
      return [];
    };
    const given = {
      ...messages([]),
      count,
      sentSeconds: new Float64Array(count),
      subject,
      references,
      messageId: () => 0,
      isReply: () => false,
    };
    const steps = threadSteps(given, algorithm);
    while (!steps.next().done) {
      most = Math.max(most, looks);
      looks = 0;
    }
    assert.ok(most > 0 && most <= 1024, `${algorithm}: ${most} looks in a step`);
  }
});
