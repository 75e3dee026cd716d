// What account hosts ask of the directory about users (account/sharing/people.ts): they are of one rank and do not know each other.
// Fails as the directory does.

import type { People } from '../account/sharing/people.ts';
import type { Directory } from '../directory/directory.ts';

type AskedDirectory = Pick<Directory, 'account' | 'accountByAddress'>;

/** `directory`: asked each time, for it is opened after the hosts. */
export function directoryPeople(directory: () => AskedDirectory): People {
  return {
    person: async (id) => {
      const account = await directory().account(id);
      return account?.enabled === true ? account : undefined;
    },
    addressesOf: async (address) => {
      const account = await directory().accountByAddress(address);
      return account && [account.address, ...account.addresses];
    },
  };
}
