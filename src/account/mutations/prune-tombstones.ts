// Takes away the oldest tombstones of a mailbox that has too many. A client that was away for longer than they reach is
// told `incomplete` and compares UID lists.

import { decodeTuple } from '../../storage/tuple.ts';
import { pageBytesMax, pageRowsMax } from '../account-limits.ts';
import { internalMutation, type Mutation } from './mutation.ts';

/** One page of them; true when there are more to go. */
export function pruneTombstonesMutation(mailboxId: number): Mutation<boolean> {
  return internalMutation('pruneTombstones', async (draft) => {
    const mailbox = draft.mailbox(mailboxId);
    const { engine, limits } = draft.context;
    const excess = (mailbox?.record.tombstones ?? 0) - limits.tombstonesMax;
    if (mailbox === undefined || excess <= 0) return false;
    const entriesMax = Math.min(excess, pageRowsMax);
    const range = draft.state.keys.tombstones(mailboxId);
    const page = await engine.page(range, { entriesMax, bytesMax: pageBytesMax });
    const last = page.entries.at(-1);
    if (last === undefined) return false;
    draft.version++;
    for (const { key } of page.entries) draft.deletes.push(key);
    mailbox.record.tombstones -= page.entries.length;
    mailbox.record.tombstonesFrom = decodeTuple(last.key)[4] as number;
    mailbox.changed = true;
    return mailbox.record.tombstones > limits.tombstonesMax;
  });
}
