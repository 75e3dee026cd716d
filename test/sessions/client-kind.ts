// The clients of the model tests: where they log in, as whom, and what they have enabled.

import { password } from './harness.ts';

export interface ClientKind {
  /** What it enables. */
  readonly extension: 'condstore' | 'qresync' | undefined;
  readonly uidOnly: boolean;
  /** From the login on; otherwise perhaps later. */
  readonly compressed: boolean;
  /** Uses the owner's mailboxes, as far as it may. */
  readonly isGuest: boolean;
}

interface Person {
  readonly address?: string;
  readonly password?: string;
}

/** Where a client connects on 127.0.0.1, and as whom; as alice and bob of the harness when nothing else is said. */
export interface Entry extends Person {
  readonly port: number;
  readonly guest?: Required<Person>;
}

export function ownerOf({ address, password: given }: Entry): Required<Person> {
  return { address: address ?? 'alice@example.test', password: given ?? password };
}

export function guestOf({ guest }: Entry): Required<Person> {
  return guest ?? { address: 'bob@example.test', password };
}
