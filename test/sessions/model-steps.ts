// What the sessions of the model tests do: steps made of numbers, to which the state at that moment gives a meaning.
// IMAP_MODEL_RUNS=N makes the tests longer, IMAP_MODEL_SEED=N repeats them.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { systemRandom } from '../../src/base/random.ts';
import { allRights, type Rights } from '../../src/mail/rights.ts';
import { type ClientKind, type Entry, guestOf } from './client-kind.ts';
import type { SearchWish } from './followed-search.ts';
import { FollowingClient } from './following-client.ts';
import { changedFlags, flagText } from './model-mailboxes.ts';

export const seed = Number(process.env.IMAP_MODEL_SEED ?? systemRandom.integer(2 ** 31));

const numRuns = Number(process.env.IMAP_MODEL_RUNS ?? 12);

export const modelRuns = {
  seed,
  numRuns,
  // A failure is made smaller for so long: it must be told before the test's own time is over.
  interruptAfterTimeLimit: Math.max(60_000, numRuns * 5000),
  markInterruptAsFailure: true,
};

const plain: ClientKind = { extension: undefined, uidOnly: false, compressed: false, isGuest: false };
export const kinds: readonly ClientKind[] = [
  plain,
  { ...plain, extension: 'condstore', compressed: true },
  { ...plain, extension: 'qresync' },
  { ...plain, uidOnly: true, compressed: true },
  { ...plain, extension: 'qresync', uidOnly: true },
  { ...plain, extension: 'condstore', isGuest: true },
];
export const names = ['INBOX', 'a', 'b', 'c'];
export const flags = '\\Deleted \\Deleted \\Seen \\Flagged $One $Two $Three $Four'.split(' ');
/** One for each number of a flag. Who may not change flags may not expunge: what is told of the flags tells of both. */
export const guestRights: readonly Rights[] = ['', 'lr', 'lrs', 'lrw', 'lrte', 'lrwi', allRights, allRights];
const actions = [
  'append append append store store store conditionalStore copy move expunge uidExpunge select select examine',
  'close unselect create rename delete noop noop idle fetch fetch search',
  'follow follow follow cancel compress replace save save acl acl annotate annotations',
]
  .join(' ')
  .split(' ');

/** Numbers that the state at that moment gives a meaning. */
export interface Step {
  readonly session: number;
  readonly action: string;
  readonly mailbox: number;
  readonly other: number;
  /** Bits: which messages. */
  readonly picks: number;
  readonly flag: number;
  readonly mode: string;
  readonly uid: boolean;
  readonly silent: boolean;
  /** The messages of the saved result, when there is one, in place of `picks`. */
  readonly saved: boolean;
}

/** Nothing but an action. */
export const plainStep: Omit<Step, 'action'> = {
  session: 0,
  mailbox: 0,
  other: 0,
  picks: 0,
  flag: 0,
  mode: '',
  uid: false,
  silent: false,
  saved: false,
};

export const step: fc.Arbitrary<Step> = fc.record({
  session: fc.nat(kinds.length - 1),
  action: fc.constantFrom(...actions),
  mailbox: fc.nat(names.length - 1),
  other: fc.nat(names.length - 1),
  picks: fc.integer({ min: 1, max: 255 }),
  flag: fc.nat(flags.length - 1),
  mode: fc.constantFrom('+', '+', '-', ''),
  uid: fc.boolean(),
  silent: fc.boolean(),
  saved: fc.constantFrom(true, false, false, false),
});

/** One of each kind, who have the mailboxes INBOX and `a`: the owner's, and the guest may do everything with them. */
export async function loginClients(entry: Entry): Promise<FollowingClient[]> {
  const clients = await Promise.all(kinds.map((kind) => FollowingClient.login(entry, kind)));
  assert.equal((await clients[0]!.ask('CREATE a')).status, 'OK');
  for (const name of names.slice(0, 2))
    assert.equal(
      (await clients[0]!.ask(`SETACL ${name} ${guestOf(entry).address} ${allRights}`)).status,
      'OK',
    );
  return clients;
}

/** Places in the client's list of messages. */
export function picked(client: FollowingClient, { picks, saved }: Step): number[] {
  if (saved) return client.savedPlaces();
  return [...client.messages.keys()].filter((index) => (picks >> (index % 8)) & 1);
}

/** With UIDONLY all messages are named by their UIDs. */
export function stepOf({ kind, saved }: FollowingClient, step: Step): Step {
  return { ...step, uid: step.uid || kind.uidOnly, saved: step.saved && saved !== undefined };
}

/** What a followed search is for: of half of them the order matters. */
export function searchWish({ flag, mode, silent, picks, uid }: Step): SearchWish {
  const name = flags[flag]!;
  const has = name.startsWith('\\') ? name.slice(1).toUpperCase() : `KEYWORD ${name}`;
  const key = mode === '' ? 'ALL' : mode === '-' ? `NOT ${has}` : has;
  const order = picks % 2 === 0 ? 'SUBJECT' : 'REVERSE SUBJECT';
  return { key, order: silent ? order : undefined, uid };
}

/** Of an appended message: few differ. */
export function subjectOf({ picks }: Step): string {
  return `s${picks % 5}`;
}

/** What STORE is to do. */
export function storeChange({ mode, silent, flag }: Step): string {
  return `${mode}FLAGS${silent ? '.SILENT' : ''} (${flags[flag]})`;
}

/** The command with these messages by their numbers, as UIDs, or as the saved result that they are. */
export function numbered(
  client: FollowingClient,
  command: string,
  { uid, saved }: Pick<Step, 'uid' | 'saved'>,
  places: readonly number[],
): string {
  if (saved) return `${uid ? 'UID ' : ''}${command} $`;
  if (!uid) return `${command} ${places.map((place) => place + 1).join()}`;
  return `UID ${command} ${places.map((place) => client.messages[place]!.uid).join()}`;
}

/** What the client knows without being told. */
export function changeSilently(
  client: FollowingClient,
  places: readonly number[],
  { mode, flag }: Step,
): void {
  for (const place of places) {
    const message = client.messages[place]!;
    if (message.flags === undefined) continue;
    const before = new Set(message.flags.split(' ').filter((name) => name !== ''));
    message.flags = flagText(changedFlags(before, mode, [flags[flag]!], client.rights));
  }
}
