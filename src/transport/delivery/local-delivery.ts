// Delivery into accounts of ours: one append for each target, a bounded number at a time. Invariant: `sent` is returned
// only after the account said the message is durable. Every failure becomes an outcome; faults are logged whole.

import type { DeliveryPorts } from '../../account/delivery.ts';
import type { NewMessage } from '../../account/port.ts';
import type { PreparedMessage } from '../../account/prepared-message.ts';
import type { Logger } from '../../base/log.ts';
import type { AccountId, OperationId } from '../../mail/ids.ts';
import { isMailError, type MailErrorKind } from '../../mail/mail-error.ts';
import { bounced, type DeliveryOutcome, deferred, sent } from './delivery-outcome.ts';

/** An account, and the mailbox of it that the sender named (user+detail). */
export interface LocalTarget {
  readonly accountId: AccountId;
  /** The address as the directory knows it. */
  readonly address: string;
  readonly detail: string | undefined;
}

export interface DeliveryContext {
  readonly traceId: string;
  readonly log: Logger;
}

/** Appends of one message under way at a time: enough to share flushes, too few to starve other messages. */
const concurrencyMax = 16;

/** What a refusal of an account means for a delivery; a kind that makes no sense here is a deferral: nothing is lost. */
const outcomeByKind: Partial<Record<MailErrorKind, DeliveryOutcome>> = {
  overQuota: bounced('overQuota'),
  noSuchAccount: bounced('noSuchAccount'),
  accountDisabled: bounced('accountDisabled'),
  messageTooLarge: bounced('messageTooLarge'),
  storageFull: deferred('storageFull'),
  limitReached: deferred('limitReached'),
  inUse: deferred('inUse'),
};

export class LocalDelivery {
  readonly #deliveries: DeliveryPorts;

  constructor(deliveries: DeliveryPorts) {
    this.#deliveries = deliveries;
  }

  /** Outcomes in the order of `targets`. Does not throw. */
  async deliver(
    prepared: PreparedMessage,
    targets: readonly LocalTarget[],
    context: DeliveryContext,
  ): Promise<DeliveryOutcome[]> {
    const message: NewMessage = { prepared, flags: [], internalDate: undefined };
    if (targets.length === 1) return [await this.#deliverOne(message, targets[0]!, 0, context)];
    const outcomes: DeliveryOutcome[] = new Array(targets.length);
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < targets.length) {
        const index = next++;
        outcomes[index] = await this.#deliverOne(message, targets[index]!, index, context);
      }
    };
    await Promise.all(Array.from({ length: Math.min(concurrencyMax, targets.length) }, worker));
    return outcomes;
  }

  async #deliverOne(
    message: NewMessage,
    target: LocalTarget,
    index: number,
    context: DeliveryContext,
  ): Promise<DeliveryOutcome> {
    const operation = `${context.traceId}.${index}` as OperationId;
    try {
      const { accountId, detail } = target;
      await this.#deliveries.deliver(accountId, { operation, message, detail });
      return sent;
    } catch (error) {
      const known = isMailError(error) ? outcomeByKind[error.kind] : undefined;
      const outcome = known ?? deferred('unavailable');
      if (known === undefined) {
        context.log.error(
          { err: error, message: context.traceId, accountId: target.accountId },
          'delivery failed',
        );
      }
      return outcome;
    }
  }
}
