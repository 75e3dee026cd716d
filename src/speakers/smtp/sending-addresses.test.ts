import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountPorts } from '../../account/port.ts';
import { Fault } from '../../base/fault.ts';
import { parseAddress } from '../../mail/address.ts';
import type { AccountId } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import { maySendAs, type SendingAddresses } from './sending-addresses.ts';

const alice = 'alice' as AccountId;
const office = 'office' as AccountId;
const officeAddress = parseAddress('office@example.test')!;

/** The office's account answers who asks for it so. */
function addressesWith(open: AccountPorts['open']): SendingAddresses {
  const directory: SendingAddresses['directory'] = {
    ownsAddress: async (accountId) => accountId === office,
    resolve: async () => ({
      outcome: 'deliver',
      targets: [{ type: 'account', accountId: office, address: 'office@example.test', detail: undefined }],
    }),
  };
  return { directory, accounts: { open } };
}

test('who cannot be let send just now is asked to come again, not refused for good', async () => {
  for (const failure of [
    new MailError('unavailable', 'the account has moved'),
    new MailError('limitReached', 'too many accounts are open'),
    new Fault('no answer', { temporary: true }),
  ]) {
    const addresses = addressesWith(() => Promise.reject(failure));
    await assert.rejects(maySendAs(addresses, alice, officeAddress), failure);
  }
});

test('an account that may not be looked at lets nobody send for it', async () => {
  for (const kind of ['permissionDenied', 'authenticationFailed', 'noSuchAccount'] as const) {
    const addresses = addressesWith(() => Promise.reject(new MailError(kind, 'no')));
    assert.equal(await maySendAs(addresses, alice, officeAddress), false, kind);
  }
});
