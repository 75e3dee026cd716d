// Account id → account port, wherever the account is hosted: what speakers and transport ask in a cluster. The ports
// follow their accounts from node to node.
// Fails as AccountPorts.open does; with `unavailable` when nobody hosts the account.

import type { Delivery, DeliveryPorts } from '../account/delivery.ts';
import type { AccountPort, AccountPorts } from '../account/port.ts';
import { shardOf } from '../account/shard.ts';
import type { AccountId } from '../mail/ids.ts';
import { AccountRouting, type AccountRoutingOptions } from './remote-account-routing.ts';
import { RoutedAccount } from './routed-account.ts';

export class RemoteAccounts implements AccountPorts, DeliveryPorts {
  readonly #routing: AccountRouting;

  constructor(options: AccountRoutingOptions) {
    this.#routing = new AccountRouting(options);
  }

  /** One port a session: a maildrop lock belongs to it. */
  async open(accountId: AccountId): Promise<AccountPort> {
    const account = new RoutedAccount(this.#routing, accountId, shardOf(accountId));
    await this.#routing.manage(account, 'open');
    return account;
  }

  /** Where the account's host takes deliveries from nodes that may do no more. */
  deliver(accountId: AccountId, delivery: Delivery): Promise<void> {
    return this.#routing.deliver(accountId, delivery);
  }

  /** Ends all sessions of an account, which was disabled or got a new password, on whichever node they are. */
  endSessions(accountId: AccountId): Promise<void> {
    return this.#routing.manage({ accountId, shard: shardOf(accountId) }, 'endSessions');
  }

  /** Removes the account's storage. Refuses with noSuchAccount when it is gone. */
  remove(accountId: AccountId): Promise<void> {
    return this.#routing.manage({ accountId, shard: shardOf(accountId) }, 'remove');
  }

  /** Calls that wait for a host fail from now on, and watches end. */
  close(): void {
    this.#routing.close();
  }
}
