// Arguments as another node may send them, one that was broken into among them: each wrong one is the same refusal, and one
// fault in a list says as much as a million of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newMessage } from '../account/testing.ts';
import { isMailError } from '../mail/mail-error.ts';
import { type AccountMethod, parseArguments } from './remote-account-methods.ts';

/** More faults than fit into one call's arguments: who collects them all cannot even hand them on. */
const many = 300_000;
const flags = (given: unknown) => [
  { operation: 'one', mailboxId: 1, uids: Uint32Array.of(1), mode: 'add', flags: given },
];
const append = (messages: unknown) => [{ operation: 'one', target: { id: 1 }, messages }];

test('a list with a million faults is refused as one with a single fault', () => {
  const nothings = new Array(many).fill(undefined);
  const bad: readonly (readonly [AccountMethod, unknown])[] = [
    ['storeFlags', flags(nothings)],
    ['storeFlags', flags('seen')],
    ['append', append(nothings)],
    ['append', append([newMessage(), { ...newMessage(), flags: nothings }])],
    ['append', append({ 0: newMessage(), length: 1 })],
    ['stage', [{ ...append(nothings)[0], staging: 'two', from: 0 }]],
    ['replace', [{ ...append(nothings)[0], replaces: { mailboxId: 1, uid: 1 } }]],
    ['setAnnotations', [{ operation: 'one', changes: nothings }]],
    ['sort', [1, { key: { type: 'all' }, criteria: nothings }]],
    ['listMailboxes', nothings],
    // What throws when it is made a text.
    ['search', [1, { type: { toString: 1 } }]],
  ];
  for (const [method, given] of bad)
    assert.throws(
      () => parseArguments(method, given),
      (error) => isMailError(error, 'invalidArgument'),
      method,
    );
});

test('what is right in a list passes, without what this version does not know', () => {
  const message = newMessage();
  const given = append([message, { ...message, ofTomorrow: 1 }]);
  const [options] = parseArguments('append', given) as [{ readonly messages: readonly object[] }];
  assert.equal(options.messages.length, 2);
  for (const passed of options.messages) {
    assert.ok(!('ofTomorrow' in passed));
    assert.deepEqual(Object.keys(passed), Object.keys(message));
  }
  const ifNew = [{ ...append([message])[0], ifNew: true }];
  assert.deepEqual(
    Object.keys(parseArguments('append', ifNew)[0] as object).sort(),
    Object.keys(ifNew[0]!).sort(),
  );
  assert.deepEqual(parseArguments('storeFlags', flags(['\\Seen', 'one'])), flags(['\\Seen', 'one']));
});
