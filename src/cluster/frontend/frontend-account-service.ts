// The accounts of this node for nodes of the outer zone. With a session's grant: what that session's service may do, with
// its own account, and with another's as whoever the grant is for (shared-account.ts). Without one: delivering a message.
// Invariants: nothing is looked up before the grant is checked; a watch or a lock ends with the grant it was begun under, and one
// node has so many of an account, each of which is told of every change; of messages from the outer zone only the bytes are
// believed: what is derived from them is derived here.
// Refuses with authenticationFailed (grants), permissionDenied (what no session does) and limitReached.

import { prepareMessage } from '../../account/prepare.ts';
import type { PreparedMessage } from '../../account/prepared-message.ts';
import { BoundedCounts } from '../../base/bounded-counts.ts';
import type { Clock } from '../../base/clock.ts';
import type { OperationId } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import { checkStream, openAccountService } from '../account-service.ts';
import type { HostedAccounts } from '../hosted-accounts.ts';
import type { LinkCall, LinkService } from '../links/serving-link.ts';
import { formatAccountRequest, parseAccountRequest } from '../remote-account-methods.ts';
import { deliverMethod, parseDelivery } from '../remote-delivery.ts';
import type { GrantGate } from './grant-gate.ts';
import { mayCall } from './service-rights.ts';

export interface FrontendAccountServiceOptions {
  readonly hosted: HostedAccounts;
  readonly gate: GrantGate;
  /** What speakers here would take of a client (limits.message_size). */
  readonly messageBytesMax: () => number;
  readonly clock: Clock;
}

export function openFrontendAccountService(options: FrontendAccountServiceOptions): LinkService {
  const { hosted, gate, clock } = options;
  const prepare = (bytes: Uint8Array) => prepareWithin(bytes, options);
  const accounts = openAccountService({ hosted, authorize: () => {}, clock });
  const held = new BoundedCounts();
  return async (call) => {
    const { accountId, given, actor } = parseAccountRequest(call.arguments);
    if (call.method === deliverMethod) {
      checkStream(call);
      const { operation, bytes, detail } = parseDelivery(given);
      const prepared = await prepare(bytes);
      const message = { prepared, flags: [], internalDate: undefined };
      return hosted.deliver(accountId, { operation: operation as OperationId, message, detail });
    }
    // Without an actor it is the owner's session, or refused: nobody out there has another's account for himself.
    const claims = await gate.check(call.grant, { account: actor ?? accountId, peer: call.peer });
    if (!mayCall(claims.service, call.method, actor !== undefined))
      throw new MailError('permissionDenied', `a session of ${claims.service} does not call ${call.method}`);
    if ((call.answerBytes ?? 0) > answerBytesMax)
      throw new MailError('limitReached', 'a longer answer than a session has a use for');
    if (call.held) {
      const holder = `${call.peer} ${accountId}`;
      if (!held.begin(holder, heldPerAccountMax))
        throw new MailError('limitReached', 'too many sessions of the account through one frontend');
      try {
        return await endingAfter(accounts, call, claims.expiresAt - clock.now(), clock);
      } finally {
        held.end(holder);
      }
    }
    const request = { accountId, given: await preparedHere(given, prepare), actor };
    return accounts(withArguments(call, formatAccountRequest(request)));
  };
}

/** As many sessions has an account through one node at the most: a mailbox that a large department shares. */
const heldPerAccountMax = 2_000;

/** Speakers take mail by the megabyte. What is over the room of a link would be one call's memory here. */
const answerBytesMax = 64 * 1024 * 1024;

function withArguments(call: LinkCall, given: unknown): LinkCall {
  return Object.create(call, { arguments: { value: given } }) as LinkCall;
}

/** As if the caller had ended the stream: it asks again, and shows the grant it has then. */
async function endingAfter(
  service: LinkService,
  call: LinkCall,
  delayMs: number,
  clock: Clock,
): Promise<unknown> {
  const callbacks: (() => void)[] = [];
  let isOver = false;
  const timer = clock.after(delayMs, () => {
    isOver = true;
    for (const callback of callbacks.splice(0)) callback();
  });
  const whenCancelled = (callback: () => void): void => {
    // It may have taken longer than the grant lasts to get the account, or the lock.
    if (isOver) {
      callback();
      return;
    }
    callbacks.push(callback);
    call.whenCancelled(() => {
      const index = callbacks.indexOf(callback);
      if (index >= 0) callbacks.splice(index, 1)[0]!();
    });
  };
  try {
    return await service(Object.create(call, { whenCancelled: { value: whenCancelled } }) as LinkCall);
  } finally {
    timer.cancel();
  }
}

type Prepare = (bytes: Uint8Array) => Promise<PreparedMessage>;

/** Trace fields come on top of what a client may send. */
const traceBytesMax = 16 * 1024;

async function prepareWithin(
  bytes: Uint8Array,
  { messageBytesMax, clock }: FrontendAccountServiceOptions,
): Promise<PreparedMessage> {
  if (bytes.length > messageBytesMax() + traceBytesMax)
    throw new MailError('messageTooLarge', 'larger than this site takes messages');
  return prepareMessage(bytes, { clock });
}

/** No method of accounts has as many. */
const argumentsMax = 8;

/** The arguments of a method, every message in them prepared anew. More than there can be are refused by who reads them. */
async function preparedHere(given: unknown, prepare: Prepare): Promise<unknown> {
  if (!Array.isArray(given) || given.length > argumentsMax) return given;
  return Promise.all(given.map((argument: unknown) => withMessagesPrepared(argument, prepare)));
}

async function withMessagesPrepared(argument: unknown, prepare: Prepare): Promise<unknown> {
  const messages = (argument as { readonly messages?: unknown } | null | undefined)?.messages;
  if (!Array.isArray(messages)) return argument;
  const prepared: unknown[] = [];
  for (const message of messages as { readonly prepared?: { readonly bytes?: unknown } }[]) {
    const bytes = message?.prepared?.bytes;
    if (!(bytes instanceof Uint8Array)) throw new MailError('invalidArgument', 'a message without its bytes');
    prepared.push({ ...message, prepared: await prepare(bytes) });
  }
  return { ...(argument as object), messages: prepared };
}
