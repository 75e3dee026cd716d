// Account id → account port at this node: the one way in to the accounts of its engine, for the speakers of a server that is
// alone and, through HostedAccounts, for those of every node of a cluster and of the outer zone. Storage is made on first use,
// when the directory knows the account: so a crash between the directory's commit and the storage's is made good by whoever
// comes first.
// Invariant: no account of another cell is opened, and none is made here: it would be a second one, empty. An account in memory is
// not asked for again, so that it costs nothing: who moves it to another cell ends its host first.
// Refuses with noSuchAccount when the directory does not know it either, and with `unavailable` when it is in another cell.

import type { AccountHosts } from '../account/account-hosts.ts';
import type { AccountPort, AccountPorts } from '../account/port.ts';
import type { Directory } from '../directory/directory.ts';
import type { AccountId } from '../mail/ids.ts';
import { isMailError } from '../mail/mail-error.ts';
import { type CellLocator, requireOwnCell } from './location.ts';

export interface LocatedAccountsOptions {
  readonly directory: Pick<Directory, 'account'>;
  readonly cells: CellLocator;
}

export class LocatedAccounts implements AccountPorts {
  readonly #hosts: AccountHosts;
  readonly #directory: Pick<Directory, 'account'>;
  readonly #cells: CellLocator;

  constructor(hosts: AccountHosts, { directory, cells }: LocatedAccountsOptions) {
    this.#hosts = hosts;
    this.#directory = directory;
    this.#cells = cells;
  }

  async open(accountId: AccountId, actor?: AccountId): Promise<AccountPort> {
    if (!this.#hosts.isLoaded(accountId)) await requireOwnCell(this.#cells, accountId);
    try {
      return await this.#hosts.open(accountId, actor);
    } catch (error) {
      if (!isMailError(error, 'noSuchAccount')) throw error;
      const account = await this.#directory.account(accountId);
      if (account === undefined) throw error;
      const quota = { bytesMax: account.quotaBytes, messagesMax: account.quotaMessages };
      await this.#hosts.create(accountId, quota).catch((failure: unknown) => {
        // Somebody else made it meanwhile.
        if (!isMailError(failure, 'conflict')) throw failure;
      });
      return this.#hosts.open(accountId, actor);
    }
  }
}
