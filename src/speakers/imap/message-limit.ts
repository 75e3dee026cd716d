// MESSAGELIMIT (RFC 9738): how many messages one command works on, where the operator set a limit. What may be done in parts
// is done for the messages with the highest UIDs, and the answer says down to which: the client goes on below it. What is all
// or nothing is refused. EXPUNGE without UIDs and CLOSE have no limit: they could not be told where to go on.
// Pure but for the untagged answer of `withLimit`.

import { formatStatusResponse, messageLimitCode, type ResponseCode } from '../../wire/imap/response-code.ts';
import type { SearchReturn } from '../../wire/imap/search-command.ts';
import { partOf } from './partial-range.ts';
import type { Reply } from './reply.ts';
import { chosenUids } from './search-run.ts';
import type { ImapSession } from './session.ts';

/** Numbers in ascending order, of which the highest are taken when they are too many. */
export function highestOf(session: ImapSession, numbers: Uint32Array): Uint32Array {
  const { messagesMax } = session.environment.limits;
  return isTooMany(session, numbers.length) ? numbers.subarray(numbers.length - messagesMax!) : numbers;
}

export function isTooMany(session: ImapSession, count: number): boolean {
  const { messagesMax } = session.environment.limits;
  return messagesMax !== undefined && count > messagesMax;
}

/**
 * What a search found, as far as it may be told of; undefined: it is refused. A result without an order is cut like any other,
 * one with an order or a page of one is not what was asked for when something is missing.
 */
export function foundWithin(
  session: ImapSession,
  uids: Uint32Array,
  { wanted, sorted }: { readonly wanted: SearchReturn | undefined; readonly sorted: boolean },
): Uint32Array | undefined {
  if (!isTooMany(session, messagesListed(uids, wanted))) return uids;
  return sorted || wanted?.partial !== undefined ? undefined : highestOf(session, uids);
}

/** How many messages the answer to a search names or keeps: MIN, MAX and COUNT are told of all that match. */
export function messagesListed(uids: Uint32Array, wanted: SearchReturn | undefined): number {
  if (wanted === undefined || wanted.all || wanted.update) return uids.length;
  if (wanted.save) return chosenUids(uids, wanted).length;
  if (wanted.partial !== undefined) return partOf(uids, wanted.partial).length;
  return wanted.relevancy ? uids.length : 0;
}

/** The answer to what would be done for all of the messages or for none; `uids`: of those, where they have some. */
export function tooManyMessages(session: ImapSession, uids?: Uint32Array) {
  const lowestUid = uids && highestOf(session, uids)[0];
  const code = messageLimitCode(session.environment.limits.messagesMax!, lowestUid);
  return { status: 'NO', code, text: 'Too many messages for one command' } as const;
}

/** The answer to a command that was carried out for messages down to `lowestUid`; undefined: for all of them. */
export function withLimit(session: ImapSession, reply: Reply, lowestUid: number | undefined): Reply {
  if (lowestUid === undefined) return reply;
  const code: ResponseCode = messageLimitCode(session.environment.limits.messagesMax!, lowestUid);
  const text = 'Done for as many messages as one command may work on';
  if (reply.status === 'OK' && reply.code === undefined) return { ...reply, text, code };
  // Its own code (MODIFIED, HIGHESTMODSEQ, EXPUNGEISSUED) belongs into the tagged answer (RFC 9738 3.1).
  session.connection.write(formatStatusResponse('*', 'NO', text, code));
  return reply;
}
