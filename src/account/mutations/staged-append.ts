// An append that comes in pieces, from another account, and is all or nothing (RFC 9051 6.4.7): the pieces are appends into
// a mailbox that nobody sees, each an ordinary commit between those of others; then one commit copies all of it into the
// target, and the mailbox goes as a deleted one does (delete-mailbox.ts). Nothing is held up but for that last commit.
//
// Invariant: such a mailbox is `gone` from the beginning and bears the id of its append (`staging`); without the id, after
// the last commit or when it was given up, it is being removed. Whoever has it hosted removes it when no more comes
// (account-chores.ts), a host that finds it when it opens the account as well.
// Refuses as append and copy do; with limitReached when too many are under way; with unavailable when the pieces are gone.

import { everyFlag } from '../../mail/flags.ts';
import type { OperationId } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import { stagedAppendsMax } from '../account-limits.ts';
import type { AppendStagedOptions, Copied } from '../port.ts';
import type { Draft } from '../writing/draft.ts';
import type { DraftMailbox } from '../writing/draft-mailbox.ts';
import { copyFrom, replayedCopy, resultOfCopy } from './copy.ts';
import { emptyMailbox } from './mailboxes.ts';
import { internalMutation, type Mutation } from './mutation.ts';

/** Makes the mailbox for the pieces; nothing when it is there. */
export function beginStagedMutation(staging: OperationId): Mutation<void> {
  return internalMutation('beginStaged', (draft) => {
    const stagings = stagingMailboxes(draft);
    if (stagings.has(staging)) return;
    if (stagings.size >= stagedAppendsMax)
      throw new MailError('limitReached', 'too many staged appends at the same time');
    draft.addGoneMailbox({ ...emptyMailbox(draft, '', undefined), gone: true, staging });
  });
}

/** The mailbox of the pieces, as long as exactly `messages` are in it. */
export function stagedMailbox(
  draft: Draft,
  { staging, messages }: Pick<AppendStagedOptions, 'staging' | 'messages'>,
): DraftMailbox {
  const id = stagingMailboxes(draft).get(staging);
  const mailbox = id === undefined ? undefined : draft.goneMailbox(id);
  if (mailbox === undefined || mailbox.record.messages !== messages)
    throw new MailError('unavailable', 'what was staged before is not there');
  return mailbox;
}

export interface StagedAppended {
  readonly copied: Copied;
  /** Of the pieces: to be removed. Undefined for a retry: that was begun with the first try, or when the account was opened. */
  readonly mailboxId: number | undefined;
}

/** The last commit; `messagesPerCommit`: of more than those it writes ahead (staged-copy.ts). */
export function appendStagedMutation(
  options: AppendStagedOptions,
  messagesPerCommit: number,
): Mutation<StagedAppended> {
  const staged = options.messages > messagesPerCommit;
  return {
    exclusive: staged,
    name: 'appendStaged',
    operation: options.operation,
    bytes: options.messages * 400,
    async decide(draft) {
      const source = stagedMailbox(draft, options);
      const choice = { to: options.target, uids: undefined, move: false, staged, allowed: everyFlag };
      const copied = await copyFrom(draft, source, choice);
      giveUp(source, copied.modSeq);
      return { copied, mailboxId: source.id };
    },
    result: ({ copied }) => resultOfCopy(copied),
    replay: (result) => ({ copied: replayedCopy(result), mailboxId: undefined }),
  };
}

/** Resolves with the mailbox that is to be removed; undefined: there is none. */
export function discardStagedMutation(staging: OperationId): Mutation<number | undefined> {
  return internalMutation('discardStaged', (draft) => {
    const id = stagingMailboxes(draft).get(staging);
    if (id === undefined) return undefined;
    giveUp(draft.goneMailbox(id)!, draft.nextModSeq());
    return id;
  });
}

function giveUp(mailbox: DraftMailbox, modSeq: number): void {
  delete mailbox.record.staging;
  mailbox.touch(modSeq);
}

/** The mailboxes of staged appends, by these. */
function stagingMailboxes({ state, mailboxes }: Draft): Map<OperationId, number> {
  const found = new Map<OperationId, number>();
  const records = [...state.mailboxes.values(), ...mailboxes.values()];
  for (const { record } of records) {
    // What the draft says comes last.
    const before = state.mailboxes.get(record.id)?.record.staging;
    if (record.staging !== undefined) found.set(record.staging, record.id);
    else if (before !== undefined) found.delete(before);
  }
  return found;
}
