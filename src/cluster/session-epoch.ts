// Whether a session may go on: it began under what the directory said then (Principal.sessionEpoch), and the directory says
// the same now. That is durable, so it is known wherever a session is met again, though nobody was told when it changed.
// Invariant: what is remembered is enough for a yes, never for a no: a session may be newer than that. Whoever remembers it
// forgets it when a session is ended here and when a shard is opened here.
// Fails as the directory does.

import type { Service } from '../directory/directory.ts';
import type { AccountId } from '../mail/ids.ts';

/** InternalDirectory.sessionEpoch. */
export type SessionEpochs = (
  account: AccountId,
  service: Service,
  isFresh?: boolean,
) => Promise<string | undefined>;

export interface SessionLogin {
  readonly service: Service;
  readonly epoch: string;
}

/** Undefined: a node of before does not say under which epoch its sessions logged in. */
export function sessionLogin(
  said: { readonly service?: Service | undefined; readonly epoch?: string | undefined } | undefined,
): SessionLogin | undefined {
  const { service, epoch } = said ?? {};
  return service === undefined || epoch === undefined ? undefined : { service, epoch };
}

export async function isCurrentSession(
  epochs: SessionEpochs,
  account: AccountId,
  { service, epoch }: SessionLogin,
): Promise<boolean> {
  return (await epochs(account, service)) === epoch || (await epochs(account, service, true)) === epoch;
}
