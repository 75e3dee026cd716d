// Before everything: the records an open account has in memory. On disk they may be damaged all the same, which nobody would
// notice before the next start; what is in memory is right and is written again. Of an account that is not open the
// same records were read a moment ago, and rebuild-account.ts saw to them.

import { unlessDamaged } from '../../storage/record.ts';
import { numberBehind } from '../records/account-keys.ts';
import { decodeAccount, decodeMailbox } from '../records/account-record.ts';
import { decodeOperation } from '../records/operation-record.ts';
import type { CheckContext } from './check-context.ts';

export async function checkRecords(context: CheckContext): Promise<void> {
  const { keys, engine } = context;
  await context.alone(async (repair) => {
    const value = await engine.get(keys.account);
    if (value !== undefined && unlessDamaged(() => decodeAccount(value)) !== undefined) return;
    context.found('the account record was damaged on disk', 'repaired');
    // Every commit writes the account's record.
    repair.edit(() => {});
  });
  const mailboxes = keys.rows('b');
  await context.eachPage(mailboxes, async (repair, entries) => {
    for (const { key, value } of entries) {
      if (unlessDamaged(() => decodeMailbox(value)) !== undefined) continue;
      const id = numberBehind(key, mailboxes.prefixLength);
      const mailbox = repair.draft.goneMailbox(id);
      if (mailbox === undefined) continue;
      context.found(`the record of mailbox ${id} was damaged on disk`, 'repaired');
      repair.edit(() => {
        mailbox.changed = true;
      });
    }
  });
  await context.eachPage(keys.rows('o'), async (repair, entries) => {
    for (const entry of entries) {
      if (unlessDamaged(() => decodeOperation(entry.value)) !== undefined) continue;
      context.found('the record of an applied operation is damaged', 'setAside');
      repair.setAside(entry);
    }
  });
}
