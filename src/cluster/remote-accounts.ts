// Account id → account port, wherever the account is hosted: what speakers and transport ask in a cluster. The ports
// follow their accounts from node to node.
// Fails as AccountPorts.open does; with `unavailable` when nobody hosts the account.

import { type Delivery, type DeliveryPorts, deliverInto } from '../account/delivery.ts';
import type { AccountPort, AccountPorts } from '../account/port.ts';
import { shardOf } from '../account/shard.ts';
import type { AccountId } from '../mail/ids.ts';
import { AccountRouting, type AccountRoutingOptions } from './remote-account-routing.ts';
import { RoutedAccount } from './routed-account.ts';
import type { NodeSessions } from './session-census.ts';

export class RemoteAccounts implements AccountPorts, DeliveryPorts {
  readonly #routing: AccountRouting;

  constructor(options: AccountRoutingOptions) {
    this.#routing = new AccountRouting(options);
  }

  /** One port a session: a maildrop lock belongs to it. */
  async open(accountId: AccountId, given?: AccountId): Promise<AccountPort> {
    const actor = given === accountId ? undefined : given;
    const account = new RoutedAccount(this.#routing, { accountId, shard: shardOf(accountId), actor });
    await this.#routing.manage(account, 'open');
    return account;
  }

  /** For nodes that may append: one call to the host, who refuses what `open` would refuse. */
  get deliveries(): DeliveryPorts {
    return {
      deliver: (accountId, delivery) => {
        const shard = shardOf(accountId);
        return deliverInto(
          new RoutedAccount(this.#routing, { accountId, shard, actor: undefined }),
          delivery,
        );
      },
    };
  }

  /** Where the account's host takes deliveries from nodes that may do no more. */
  deliver(accountId: AccountId, delivery: Delivery): Promise<void> {
    return this.#routing.deliver(accountId, delivery);
  }

  /** Ends all sessions of an account, which was disabled or got a new password, on whichever node they are. */
  async endSessions(accountId: AccountId): Promise<void> {
    await this.#routing.manage({ accountId, shard: shardOf(accountId) }, 'endSessions');
    this.#routing.changes.tell(accountId, { type: 'closed' });
  }

  /** Removes the account's storage. Refuses with noSuchAccount when it is gone. */
  remove(accountId: AccountId): Promise<void> {
    return this.#routing.manage({ accountId, shard: shardOf(accountId) }, 'remove');
  }

  /** The account's sessions, on all nodes. */
  sessionsOf(accountId: AccountId): Promise<readonly NodeSessions[]> {
    return this.#routing.countSessions({ accountId, shard: shardOf(accountId) });
  }

  /** Calls that wait for a host fail from now on, and watches end. */
  close(): void {
    this.#routing.close();
  }
}
