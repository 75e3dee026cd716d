// A message that somebody delivers to an account: into the INBOX, or the mailbox that the sender named (user+detail).
// Invariant: a delivery makes no mailbox and is told nothing of those there are.
// Fails as AccountPort.append does.

import type { AccountId, OperationId } from '../mail/ids.ts';
import type { AccountPort, AccountPorts, MailboxTarget, NewMessage } from './port.ts';

export interface Delivery {
  readonly operation: OperationId;
  readonly message: NewMessage;
  /** What stood behind the separator in user+detail@domain. */
  readonly detail: string | undefined;
}

/** The way in for deliveries: resolves when the message is durable. Refuses what AccountPorts.open refuses. */
export interface DeliveryPorts {
  deliver(accountId: AccountId, delivery: Delivery): Promise<void>;
}

/** Deliveries to accounts that this node may open. */
export function deliveriesThrough(accounts: AccountPorts): DeliveryPorts {
  return {
    deliver: async (accountId, delivery) => deliverInto(await accounts.open(accountId), delivery),
  };
}

const inbox: MailboxTarget = { role: 'inbox' };

export async function deliverInto(
  port: AccountPort,
  { operation, message, detail }: Delivery,
): Promise<void> {
  const target = detail === undefined || detail === '' ? inbox : await mailboxNamed(port, detail);
  // The mailbox may go while we look.
  await port.append({ operation, target, messages: [message], orInbox: true });
}

/**
 * The mailbox a detail names, whatever the letter case: addresses come in any. The INBOX when there is none: a detail is
 * the sender's word, and makes nothing.
 */
async function mailboxNamed(port: AccountPort, detail: string): Promise<MailboxTarget> {
  const wanted = detail.normalize('NFC').toLowerCase();
  const { mailboxes } = await port.listMailboxes();
  const found = mailboxes.filter(({ name, selectable }) => selectable && name.toLowerCase() === wanted);
  const best = found.find(({ name }) => name === detail) ?? found[0];
  return best === undefined ? inbox : { id: best.id };
}
