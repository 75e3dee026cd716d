// A hundred thousand accounts in seconds: copies of one that the directory has made, as rows, many in a batch. All have its
// password, so that a login costs what it costs.

import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { DirectoryAccount } from '../../src/directory/directory.ts';
import { decodeAccount, decodeSecret, keys, put, type SecretRow } from '../../src/directory/rows.ts';
import type { AccountId } from '../../src/mail/ids.ts';
import type { Entry } from '../../src/storage/engine.ts';
import { openPostgresEngine } from '../../src/storage/postgres/postgres-engine.ts';

const accountsPerBatch = 500;
const batchesAtATime = 4;

export interface SeedOptions {
  readonly storeUrl: string;
  /** The id of the account that is copied. */
  readonly model: string;
  readonly count: number;
  readonly addressOf: (index: number) => string;
}

/** No account has one of these addresses. */
export async function seedAccounts({ storeUrl, model, count, addressOf }: SeedOptions): Promise<void> {
  await using engine = await openPostgresEngine({ url: storeUrl, log: silentLog, clock: systemClock });
  const id = model as AccountId;
  const account = decodeAccount((await engine.get(keys.account(id)))!);
  const secret = decodeSecret((await engine.get(keys.secret(id)))!);
  let next = 0;
  const writeBatches = async (): Promise<void> => {
    while (next < count) {
      const first = next;
      next = Math.min(count, first + accountsPerBatch);
      const puts: Entry[] = [];
      for (let index = first; index < next; index++) {
        const copy = { ...account, id: systemRandom.identifier(16) as AccountId, address: addressOf(index) };
        puts.push(...accountRows(copy, secret));
      }
      await engine.commit({ puts });
    }
  };
  await Promise.all(Array.from({ length: batchesAtATime }, writeBatches));
}

function accountRows(account: DirectoryAccount, secret: SecretRow): Entry[] {
  const reference = { account: account.id };
  return [
    put(keys.account(account.id), 'directoryAccount', account),
    put(keys.login(account.address), 'address', reference),
    put(keys.address(account.address), 'address', reference),
    put(keys.secret(account.id), 'secret', secret),
  ];
}
