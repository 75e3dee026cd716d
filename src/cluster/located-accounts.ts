// Account id → account port: what speakers and transport ask. In this first form every account is here; a cluster adds
// the way to the node that hosts it. Storage is made on first use, when the directory knows the account: so a crash
// between the directory's commit and the storage's is made good by whoever comes first.
// Refuses with noSuchAccount when the directory does not know it either.

import type { AccountHosts } from '../account/account-hosts.ts';
import type { AccountPort, AccountPorts } from '../account/port.ts';
import type { Directory } from '../directory/directory.ts';
import type { AccountId } from '../mail/ids.ts';
import { isMailError } from '../mail/mail-error.ts';

export class LocatedAccounts implements AccountPorts {
  readonly #hosts: AccountHosts;
  readonly #directory: Pick<Directory, 'account'>;

  constructor(hosts: AccountHosts, directory: Pick<Directory, 'account'>) {
    this.#hosts = hosts;
    this.#directory = directory;
  }

  async open(accountId: AccountId, actor?: AccountId): Promise<AccountPort> {
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
