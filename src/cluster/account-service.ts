// The accounts of this node for other nodes: what RemoteAccounts of a peer calls over a link.
// Invariants: arguments are checked before an account sees them; a watch or a lock lives exactly as long as its stream;
// events that wait for a slow link are one a mailbox, however many there were.
// Fails as the account port does, and with NotHostedHere.

import type { AccountEvent } from '../account/port.ts';
import type { Clock } from '../base/clock.ts';
import type { AccountId, ModSeq, NodeId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { HostedAccounts } from './hosted-accounts.ts';
import { NotHostedHere } from './links/link-failure.ts';
import type { LinkCall, LinkService } from './links/serving-link.ts';
import {
  accountMethodNamed,
  accountMethods,
  parseAccountRequest,
  parseArguments,
} from './remote-account-methods.ts';
import { parseSessionsTold, parseWatchRequest } from './remote-account-watch-protocol.ts';
import { SessionQuestions, type SessionWatcher } from './session-census.ts';
import { sessionLogin } from './session-epoch.ts';

/** The name of the service on links. */
export const accountServiceName = 'accounts';

/** Beside the port's methods, which the host judges one by one, only `open` and `watch` are for whoever is not the owner. */
const notForActors: ReadonlySet<string> = new Set([
  'endSessions',
  'remove',
  'countSessions',
  'tellSessions',
  'lockMaildrop',
]);

export interface AccountCall {
  readonly accountId: AccountId;
  /** A method of the account port, or `open`, `endSessions`, `remove`, `countSessions`, `tellSessions`. */
  readonly method: string;
  readonly grant: Uint8Array | undefined;
}

export interface AccountServiceOptions {
  readonly hosted: HostedAccounts;
  /** Refuses (permissionDenied) what the peer may not do: nodes of the outer zone act under session grants only. */
  readonly authorize: (call: AccountCall, peer: NodeId) => void | Promise<void>;
  readonly clock: Clock;
}

/** The service, to give to LinkServer under `accountServiceName`. */
export function openAccountService({ hosted, authorize, clock }: AccountServiceOptions): LinkService {
  const questions = new SessionQuestions(clock);
  return async (call) => {
    const { accountId, given, actor } = parseAccountRequest(call.arguments);
    const { method, grant } = call;
    await authorize({ accountId, method, grant }, call.peer);
    checkStream(call);
    if (actor !== undefined && notForActors.has(method))
      throw new MailError('permissionDenied', 'that is for the owner, or for no session at all');
    switch (method) {
      case 'open':
        return hosted.check(accountId, actor);
      case 'endSessions':
        return hosted.endSessions(accountId);
      case 'remove':
        return hosted.remove(accountId);
      case 'watch':
        return serveWatch({ hosted, questions }, accountId, call);
      case 'countSessions':
        return hosted.countSessions(accountId);
      case 'tellSessions': {
        const { question, count } = parseSessionsTold(given);
        return questions.answered(call.peer, question, count);
      }
      case 'lockMaildrop':
        return serveLock(hosted, accountId, call);
      default: {
        const known = accountMethodNamed(method);
        const parsed = parseArguments(known, given);
        // The link made room for what was said, before anybody looked at the arguments.
        if ((accountMethods[known].answerBytes?.(parsed) ?? 0) > (call.answerBytes ?? 0))
          throw new MailError('invalidArgument', 'a longer answer is wanted than was said');
        return hosted.call(accountId, { method: known, given: parsed, actor });
      }
    }
  };
}

/** Refuses a method on the wrong kind of stream: held ones are many, and are not counted as work. */
export function checkStream({ method, held }: Pick<LinkCall, 'method' | 'held'>): void {
  if (held !== (method === 'watch' || method === 'lockMaildrop'))
    throw new MailError('invalidArgument', 'a method on the wrong kind of stream');
}

/** Says events, several at a time when they come faster than they go. Ends well when the account is closed. */
async function serveWatch(
  { hosted, questions }: { hosted: HostedAccounts; questions: SessionQuestions },
  accountId: AccountId,
  call: LinkCall,
): Promise<void> {
  const { given, actor } = parseAccountRequest(call.arguments);
  const { since, service, epoch } = parseWatchRequest(given);
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
  const count = () => questions.ask(call.peer, (question) => call.push({ question }));
  const watcher: SessionWatcher | undefined = service && { node: call.peer, service, count };
  const moved = (): void => ended.reject(new NotHostedHere());
  const login = sessionLogin({ service, epoch });
  const watch = { since: since as ModSeq | undefined, watcher, login, actor, told, moved };
  const stop = await hosted.watch(accountId, watch);
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
export function keyOfEvent(event: AccountEvent): string {
  if (event.type === 'mailbox') return String(event.mailboxId);
  if (event.type === 'annotations') return `annotations ${event.mailboxId ?? ''} ${event.names.join(' ')}`;
  return event.type;
}
