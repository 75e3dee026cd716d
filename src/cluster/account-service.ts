// The accounts of this node for other nodes: what RemoteAccounts of a peer calls over a link.
// Invariants: arguments are checked before an account sees them; a watch or a lock lives exactly as long as its stream;
// events that wait for a slow link are one a mailbox, however many there were.
// Fails as the account port does, and with NotHostedHere.

import type { AccountEvent } from '../account/port.ts';
import type { AccountId, ModSeq, NodeId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { HostedAccounts } from './hosted-accounts.ts';
import { NotHostedHere } from './links/link-failure.ts';
import type { LinkCall, LinkService } from './links/serving-link.ts';
import {
  accountMethodNamed,
  parseAccountRequest,
  parseArguments,
  parseSince,
} from './remote-account-methods.ts';

/** The name of the service on links. */
export const accountServiceName = 'accounts';

export interface AccountCall {
  readonly accountId: AccountId;
  /** A method of the account port, or `open`, `endSessions`, `remove`. */
  readonly method: string;
  readonly grant: Uint8Array | undefined;
}

export interface AccountServiceOptions {
  readonly hosted: HostedAccounts;
  /** Refuses (permissionDenied) what the peer may not do: nodes of the outer zone act under session grants only. */
  readonly authorize: (call: AccountCall, peer: NodeId) => void | Promise<void>;
}

/** The service, to give to LinkServer under `accountServiceName`. */
export function openAccountService({ hosted, authorize }: AccountServiceOptions): LinkService {
  return async (call) => {
    const { accountId, given } = parseAccountRequest(call.arguments);
    const { method, grant } = call;
    await authorize({ accountId, method, grant }, call.peer);
    if (call.held !== (method === 'watch' || method === 'lockMaildrop')) {
      throw new MailError('invalidArgument', 'a method on the wrong kind of stream');
    }
    switch (method) {
      case 'open':
        return hosted.check(accountId);
      case 'endSessions':
        return hosted.endSessions(accountId);
      case 'remove':
        return hosted.remove(accountId);
      case 'watch':
        return serveWatch(hosted, accountId, { call, since: parseSince(given) as ModSeq | undefined });
      case 'lockMaildrop':
        return serveLock(hosted, accountId, call);
      default: {
        const known = accountMethodNamed(method);
        return hosted.call(accountId, known, parseArguments(known, given));
      }
    }
  };
}

/** Says events, several at a time when they come faster than they go. Ends well when the account is closed. */
async function serveWatch(
  hosted: HostedAccounts,
  accountId: AccountId,
  { call, since }: { call: LinkCall; since: ModSeq | undefined },
): Promise<void> {
  const waiting = new Map<string, AccountEvent>();
  const ended = Promise.withResolvers<void>();
  ended.promise.catch(() => {}); // may come before anybody waits for it
  let isSaying = false;
  const say = async (): Promise<void> => {
    if (isSaying) return;
    isSaying = true;
    while (waiting.size > 0) {
      const events = [...waiting.values()];
      waiting.clear();
      await call.push(events);
      if (events.at(-1)!.type === 'closed') ended.resolve();
    }
    isSaying = false;
  };
  const told = (events: readonly AccountEvent[]): void => {
    for (const event of events) {
      const key = keyOfEvent(event);
      // The latest goes last, so that mod-sequences rise.
      waiting.delete(key);
      waiting.set(key, event);
    }
    say().catch(ended.resolve);
  };
  const stop = await hosted.watch(accountId, { since, told, moved: () => ended.reject(new NotHostedHere()) });
  call.whenCancelled(() => ended.resolve());
  try {
    await ended.promise;
  } finally {
    stop();
  }
}

/** Says once that the lock is held; holds it until the caller ends the stream, or the account moves. */
async function serveLock(hosted: HostedAccounts, accountId: AccountId, call: LinkCall): Promise<void> {
  const ended = Promise.withResolvers<void>();
  ended.promise.catch(() => {}); // may come before anybody waits for it
  const lock = await hosted.lock(accountId, () => ended.reject(new NotHostedHere()));
  try {
    call.whenCancelled(() => ended.resolve());
    await Promise.race([call.push('locked'), ended.promise]);
    await ended.promise;
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

/** Of two events that wait under one key the later one says all. */
function keyOfEvent(event: AccountEvent): string {
  if (event.type === 'mailbox') return String(event.mailboxId);
  if (event.type === 'annotations') return `annotations ${event.mailboxId ?? ''} ${event.names.join(' ')}`;
  return event.type;
}
