// Sets the limits of an account. Not a change that clients follow, so it takes no mod-sequence.

import type { SetQuotaOptions } from '../port.ts';
import type { Mutation } from './mutation.ts';

export function setQuotaMutation({ operation, ...limits }: SetQuotaOptions): Mutation<undefined> {
  return {
    name: 'setQuota',
    operation,
    bytes: 0,
    decide: (draft) => {
      draft.version++;
      draft.account.bytesMax = limits.bytesMax;
      draft.account.messagesMax = limits.messagesMax;
      return undefined;
    },
    result: () => [],
    replay: () => undefined,
  };
}
