// Sets the limits of an account. Not a change that clients follow, so it takes no mod-sequence; done twice it is the same.

import { internalMutation, type Mutation } from './mutation.ts';

export function setQuotaMutation(limits: {
  bytesMax: number | undefined;
  messagesMax: number | undefined;
}): Mutation<undefined> {
  return internalMutation('setQuota', (draft) => {
    draft.version++;
    draft.account.bytesMax = limits.bytesMax;
    draft.account.messagesMax = limits.messagesMax;
    return undefined;
  });
}
