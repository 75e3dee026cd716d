// What tests of shared mailboxes need: people that the hosts know, a mailbox of one that another may be let into.
// Not part of the program; a test may import it, nothing else does.

import type { AccountId } from '../../mail/ids.ts';
import { isMailError, type MailErrorKind } from '../../mail/mail-error.ts';
import type { AccountPort, MailboxInfo } from '../port.ts';
import {
  messageText,
  newMessage,
  newOperation,
  openTestHosts,
  type TestHosts,
  testAccountId,
} from '../testing.ts';
import type { People, Person } from './people.ts';

export const actorId = 'actoractoractora' as AccountId;
export const strangerId = 'strangerstranger' as AccountId;
export const actor = 'actor@example.test';

export function person(address: string, more: Partial<Person> = {}): Person {
  return { address, addresses: [], groups: [], shared: false, ...more };
}

/** Whom the hosts know; a test may change it. */
function openPeople(): { people: People; persons: Map<AccountId, Person> } {
  const persons = new Map([
    [testAccountId, person('owner@example.test', { addresses: ['also@example.test'] })],
    [actorId, person(actor, { groups: ['staff'] })],
    [strangerId, person('stranger@example.test')],
  ]);
  const people: People = {
    person: async (id) => persons.get(id),
    addressesOf: async (address) =>
      [...persons.values()]
        .map((one) => [one.address, ...one.addresses])
        .find((addresses) => addresses.includes(address)),
  };
  return { people, persons };
}

export interface Fixture extends TestHosts, AsyncDisposable {
  readonly persons: Map<AccountId, Person>;
  /** With all rights. */
  readonly owner: AccountPort;
  readonly port: AccountPort;
  readonly mailbox: MailboxInfo;
  readonly inferior: MailboxInfo;
  /** On both mailboxes, for the actor. */
  give(rights: string): Promise<void>;
}

/** A mailbox `Team` with two messages, and `Team/Old` in it. */
export async function openFixture(): Promise<Fixture> {
  const { people, persons } = openPeople();
  const { hosts, engine, blobs } = await openTestHosts({ people });
  const owner = await hosts.open(testAccountId);
  const mailbox = await owner.createMailbox({ operation: newOperation(), name: 'Team' });
  const inferior = await owner.createMailbox({ operation: newOperation(), name: 'Team/Old' });
  const messages = [newMessage(messageText({ id: 'one@x' })), newMessage(messageText({ id: 'two@x' }))];
  await owner.append({ operation: newOperation(), target: { id: mailbox.id }, messages });
  const port = await hosts.open(testAccountId, actorId);
  return {
    hosts,
    engine,
    blobs,
    persons,
    owner,
    port,
    mailbox,
    inferior,
    async give(rights) {
      for (const mailboxId of [mailbox.id, inferior.id])
        await owner.setAcl({
          operation: newOperation(),
          mailboxId,
          identifier: actor,
          mode: 'replace',
          rights,
        });
    },
    async [Symbol.asyncDispose]() {
      await hosts.close();
      await blobs.close();
    },
  };
}

export async function refusalOf(promise: Promise<unknown>): Promise<MailErrorKind | 'done'> {
  try {
    await promise;
    return 'done';
  } catch (error) {
    if (isMailError(error)) return error.kind;
    throw error;
  }
}

export const firstUid = Uint32Array.of(1);

/** Adds it to the first message, or to these. */
export function storeFlag(port: AccountPort, { mailbox }: Fixture, flag: string, uids = firstUid) {
  return port.storeFlags({
    operation: newOperation(),
    mailboxId: mailbox.id,
    uids,
    mode: 'add',
    flags: [flag],
    unchangedSince: undefined,
  });
}
