// As whom a user may send: with his own addresses, and with those of an account whose INBOX gives him the right to post
// (p, RFC 4314 section 4): a shared one, or that of somebody he stands in for. Asked for the envelope and for From alike.
// Fails as the directory does, and as an account does that cannot be asked just now: whoever may send is not refused for good.
// An account that may not be looked at from here lets nobody send for it.

import type { AccountPorts } from '../../account/port.ts';
import type { Directory } from '../../directory/directory.ts';
import type { Address } from '../../mail/address.ts';
import type { AccountId } from '../../mail/ids.ts';
import { isMailError, type MailErrorKind } from '../../mail/mail-error.ts';

const post = 'p';

/** Refusals that stay. In the outer zone there is no grant for another account: `authenticationFailed`, `permissionDenied`. */
const lastingRefusals: ReadonlySet<MailErrorKind> = new Set([
  'noSuchAccount',
  'accountDisabled',
  'noSuchMailbox',
  'permissionDenied',
  'authenticationFailed',
  'notSupported',
]);

export interface SendingAddresses {
  readonly directory: Pick<Directory, 'ownsAddress' | 'resolve'>;
  readonly accounts: AccountPorts;
}

export async function maySendAs(
  addresses: SendingAddresses,
  accountId: AccountId,
  address: Address,
): Promise<boolean> {
  if (await addresses.directory.ownsAddress(accountId, address)) return true;
  try {
    return await mayPostFor(addresses, accountId, address);
  } catch (error) {
    if (isMailError(error) && lastingRefusals.has(error.kind)) return false;
    throw error;
  }
}

async function mayPostFor(
  { directory, accounts }: SendingAddresses,
  accountId: AccountId,
  address: Address,
): Promise<boolean> {
  const resolution = await directory.resolve(address);
  if (resolution.outcome !== 'deliver' || resolution.targets.length !== 1) return false;
  const target = resolution.targets[0]!;
  if (target.type !== 'account' || target.accountId === accountId) return false;
  // What only a catch-all takes is nobody's address.
  if (!(await directory.ownsAddress(target.accountId, address))) return false;
  const port = await accounts.open(target.accountId, accountId);
  const inbox = await port.findMailbox({ role: 'inbox' });
  return inbox?.rights.includes(post) === true;
}
