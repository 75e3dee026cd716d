// What sessions of the model write that is nobody's yet: new messages and annotations; each answer is judged by the model.

import assert from 'node:assert/strict';
import type { FollowingClient } from './following-client.ts';
import { mail } from './imap-client.ts';
import { flagsWithin, type ModelMailbox } from './model-mailboxes.ts';
import { flags, names, type Step, subjectOf } from './model-steps.ts';
import { expandSet } from './sequence-numbers.ts';

/** One message or two at once (RFC 3502). */
export async function append(
  client: FollowingClient,
  step: Step,
  mailbox: ModelMailbox | undefined,
): Promise<void> {
  const flag = flags[step.flag]!;
  const text = mail(subjectOf(step));
  const messages = Array.from(
    { length: 1 + (step.picks % 2) },
    () => `(${flag}) {${text.length}+}\r\n${text}`,
  );
  const answer = await client.ask(`APPEND ${client.nameOf(names[step.mailbox]!)} ${messages.join(' ')}`);
  if (mailbox === undefined || !client.may(mailbox, 'i')) {
    assert.equal(answer.status, 'NO');
    assert.match(answer.code ?? '', client.kind.isGuest ? /^(NONEXISTENT|NOPERM)$/ : /^TRYCREATE$/);
  } else {
    const given = flagsWithin([flag], client.rightsOn(mailbox));
    const uids = messages.map(() => mailbox.add(given, subjectOf(step)));
    isAppended(answer.code, mailbox, uids);
  }
  client.follow(answer, true);
}

/** The UIDs are told. */
export function isAppended(code: string | undefined, mailbox: ModelMailbox, uids: readonly number[]): void {
  const [word, uidValidity, told] = (code ?? '').split(' ');
  assert.equal(word, 'APPENDUID');
  mailbox.isNamed(uidValidity!);
  assert.deepEqual(expandSet(told!), uids);
}

/** What is annotated for all is found by all who may read it, wherever the mailbox went (RFC 5464). */
export async function annotate(
  client: FollowingClient,
  step: Step,
  mailbox: ModelMailbox | undefined,
): Promise<void> {
  const name = client.nameOf(names[step.mailbox]!);
  if (step.action === 'annotate') {
    const value = step.silent ? undefined : `about ${flags[step.flag]!.replace('\\', '')}`;
    const works = client.may(mailbox, 'rw');
    if (works) mailbox!.comment = value;
    const given = value === undefined ? 'NIL' : `"${value}"`;
    const answer = await client.ask(`SETMETADATA ${name} (/shared/comment ${given})`);
    assert.equal(answer.status, works ? 'OK' : 'NO', answer.text);
    return client.follow(answer, true);
  }
  const answer = await client.ask(`GETMETADATA ${name} /shared/comment`);
  assert.equal(answer.status, client.may(mailbox, 'r') ? 'OK' : 'NO', answer.text);
  const isMetadata = (line: string): boolean => line.startsWith('* METADATA ');
  const found = answer.untagged
    .filter(isMetadata)
    .map((line) => / \(\/shared\/comment (.*)\)$/.exec(line)![1]);
  const there = mailbox?.comment === undefined ? 'NIL' : `"${mailbox.comment}"`;
  assert.deepEqual(found, answer.status === 'OK' ? [there] : []);
  client.follow({ ...answer, untagged: answer.untagged.filter((line) => !isMetadata(line)) }, true);
}
