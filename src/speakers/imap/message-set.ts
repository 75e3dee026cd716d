// Which messages of the view a command names. Message numbers beyond the view are the client's mistake (BAD), UIDs
// that are not there are none (RFC 9051 6.4.9); `$` is the saved search result (RFC 5182).

import { ImapSyntaxError } from '../../wire/imap/imap-syntax-error.ts';
import { type SequenceSet, sequenceIndexes, uidIndexes } from '../../wire/imap/sequence-set.ts';
import type { MailboxView } from './view.ts';

/** Places in the view (0-based, ascending, each once). Throws ImapSyntaxError for numbers the view does not have. */
export function resolvePlaces(view: MailboxView, set: SequenceSet, uid: boolean): Uint32Array {
  if (set.saved) return placesOf(view, view.saved);
  if (uid) return uidIndexes(set, view.uids);
  const places = sequenceIndexes(set, view.count);
  if (places === undefined) throw new ImapSyntaxError('No such message number');
  return places;
}

/** The same as UIDs, which is how the account knows messages. */
export function resolveUids(view: MailboxView, set: SequenceSet, uid = true): Uint32Array {
  return uidsAt(view, resolvePlaces(view, set, uid));
}

export function uidsAt(view: MailboxView, places: Uint32Array): Uint32Array {
  const all = view.uids;
  if (places.length === all.length) return all.slice();
  const uids = new Uint32Array(places.length);
  for (let at = 0; at < places.length; at++) uids[at] = all[places[at]!]!;
  return uids;
}

function placesOf(view: MailboxView, uids: Uint32Array): Uint32Array {
  const places = new Uint32Array(uids.length);
  let count = 0;
  for (let at = 0; at < uids.length; at++) {
    const sequence = view.sequenceOf(uids[at]!);
    if (sequence !== 0) places[count++] = sequence - 1;
  }
  return places.subarray(0, count);
}
