// What the sessions of the model tests do: steps made of numbers, to which the state at that moment gives a meaning.
// IMAP_MODEL_RUNS=N makes the tests longer, IMAP_MODEL_SEED=N repeats them.

import fc from 'fast-check';
import { systemRandom } from '../../src/base/random.ts';
import type { ClientKind, FollowingClient } from './following-client.ts';
import { changedFlags, flagText } from './model-mailboxes.ts';

export const numRuns = Number(process.env.IMAP_MODEL_RUNS ?? 12);
export const seed = Number(process.env.IMAP_MODEL_SEED ?? systemRandom.integer(2 ** 31));

/** A failure is made smaller for so long: it must be told before the test's own time is over. */
export const limits = { interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true };

export const kinds: readonly ClientKind[] = ['plain', 'condstore', 'qresync'];
export const names = ['INBOX', 'a', 'b', 'c'];
export const flags = ['\\Deleted', '\\Seen', '\\Flagged', '$One', '$Two'];
const actions = [
  'append append append store store store conditionalStore copy move expunge uidExpunge select select examine',
  'close unselect create rename delete noop noop idle fetch fetch search',
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
});

/** Places in the client's list of messages. */
export function picked(client: FollowingClient, { picks }: Step): number[] {
  return [...client.messages.keys()].filter((index) => (picks >> (index % 8)) & 1);
}

/** The command with these messages by their numbers, or as UIDs. */
export function numbered(
  client: FollowingClient,
  command: string,
  uid: boolean,
  places: readonly number[],
): string {
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
    message.flags = flagText(changedFlags(before, mode, [flags[flag]!]));
  }
}
