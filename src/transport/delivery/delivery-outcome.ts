// What became of one recipient's copy (STYLE 8): delivery returns it and does not throw it. A speaker has one table
// from reasons to replies.

export type DeferralReason = 'storageFull' | 'unavailable' | 'limitReached' | 'inUse';
export type BounceReason =
  | 'overQuota'
  | 'noSuchAccount'
  | 'accountDisabled'
  | 'messageTooLarge'
  | 'loop'
  /** A submission whose From names none of the user's addresses; whose Sender names none; that may have other authors. */
  | 'foreignAuthor'
  | 'foreignSender'
  | 'authorUnclear'
  | 'refused';

export type DeliveryOutcome =
  | { readonly outcome: 'sent' }
  /** Trying again later can help. */
  | { readonly outcome: 'deferred'; readonly reason: DeferralReason }
  | { readonly outcome: 'bounced'; readonly reason: BounceReason };

export const sent: DeliveryOutcome = { outcome: 'sent' };

export const deferred = (reason: DeferralReason): DeliveryOutcome => ({ outcome: 'deferred', reason });
export const bounced = (reason: BounceReason): DeliveryOutcome => ({ outcome: 'bounced', reason });

const rank = { sent: 0, bounced: 1, deferred: 2 } as const;

/**
 * One outcome for several copies that share one answer. Mail is not lost: what can be tried again is, else who sent it
 * is told.
 */
export function worstOutcome(outcomes: readonly DeliveryOutcome[]): DeliveryOutcome {
  let worst: DeliveryOutcome = sent;
  for (const outcome of outcomes) if (rank[outcome.outcome] > rank[worst.outcome]) worst = outcome;
  return worst;
}
