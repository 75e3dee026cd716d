// What is told of names leads a client that applies it, line after line, to the names that there are, whatever happened.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { MailboxId } from '../../../mail/ids.ts';
import { nameChanges } from './name-changes.ts';

type Names = ReadonlyMap<MailboxId, { readonly name: string; readonly selectable: boolean }>;

const namesOf = (names: Readonly<Record<number, string>>): Names =>
  new Map(Object.entries(names).map(([id, name]) => [Number(id) as MailboxId, { name, selectable: true }]));

const listOf = (names: Names) => [...names].map(([id, each]) => ({ id, ...each }));

const everything = () => true;

/** What the client has under each name; undefined: what it takes for a new mailbox. */
function applied(before: Names, now: Names): Map<string, MailboxId | undefined> {
  const { renames, names, replaced, lost } = nameChanges(before, listOf(now), everything);
  const client = new Map<string, MailboxId | undefined>([...before].map(([id, { name }]) => [name, id]));
  for (const { name, oldName } of renames) {
    assert(client.has(oldName), `nobody knows ${oldName}`);
    const moved = [...client].filter(([each]) => each === oldName || each.startsWith(`${oldName}/`));
    for (const [each] of moved) client.delete(each);
    for (const [each, id] of moved) client.set(name + each.slice(oldName.length), id);
  }
  const there = new Map([...now].map(([id, { name }]) => [name, id]));
  for (const name of names) {
    if (!there.has(name)) client.delete(name);
    else if (!client.has(name)) client.set(name, undefined);
  }
  for (const [id, { name }] of now) {
    if (replaced.has(id)) assert.notEqual(client.get(name), id);
    else if (lost.has(id) || !before.has(id)) assert.equal(client.get(name), undefined);
    else assert.equal(client.get(name), id, `${name} is not what it is taken for`);
  }
  return client;
}

const names = ['a', 'b', 'a/x', 'b/x', 'a/x/y', 'a/y', 'b/y', 'c'];
const name = fc.constantFrom(...names);
const command = fc.record({ type: fc.constantFrom('create', 'delete', 'rename', 'rename'), name, to: name });

class Account {
  readonly now = new Map<MailboxId, { name: string; selectable: boolean }>();
  #nextId = 1;

  perform({ type, name: from, to }: { type: string; name: string; to: string }): void {
    const found = [...this.now].find(([, each]) => each.name === from)?.[0];
    if (type === 'create' && found === undefined)
      this.now.set(this.#nextId++ as MailboxId, { name: from, selectable: true });
    if (type === 'delete' && found !== undefined) this.now.delete(found);
    if (type !== 'rename' || found === undefined || !this.#isFree(to) || to.startsWith(`${from}/`)) return;
    for (const [id, each] of this.now) {
      const moved = to + each.name.slice(from.length);
      const isMoved = each.name === from || each.name.startsWith(`${from}/`);
      if (isMoved && this.#isFree(moved)) this.now.set(id, { ...each, name: moved });
    }
  }

  #isFree(name: string): boolean {
    return this.now.values().every((each) => each.name !== name);
  }
}

test('whatever happens to names, the client has those that there are', () => {
  fc.assert(
    fc.property(
      fc.subarray(names, { minLength: 2 }),
      fc.array(command, { minLength: 2, maxLength: 12 }),
      (known, commands) => {
        const account = new Account();
        for (const each of known) account.perform({ type: 'create', name: each, to: each });
        const before = structuredClone(account.now);
        for (const each of commands) account.perform(each);
        const client = applied(before, account.now);
        const there = [...account.now.values()].map((each) => each.name);
        assert.deepEqual([...client.keys()].sort(), there.sort());
      },
    ),
    { numRuns: 2000 },
  );
});

test('renames are told before what has their old names now', () => {
  const changes = nameChanges(
    namesOf({ 1: 'a', 2: 'a/x' }),
    listOf(namesOf({ 1: 'b', 2: 'b/x', 3: 'a', 4: 'a/x' })),
    everything,
  );
  assert.deepEqual(changes.renames, [{ name: 'b', oldName: 'a' }]);
  assert.deepEqual([...changes.names].sort(), ['a', 'a/x']);
  assert.deepEqual([...changes.replaced, ...changes.lost], []);
});

test('a name is given on only when who had it has gone', () => {
  const { renames } = nameChanges(
    namesOf({ 1: 'a', 2: 'b' }),
    listOf(namesOf({ 1: 'b', 2: 'c' })),
    everything,
  );
  assert.deepEqual(renames, [
    { name: 'c', oldName: 'b' },
    { name: 'b', oldName: 'a' },
  ]);
});

test('names that were exchanged are no renames: what is known of the messages is nothing any more', () => {
  const changes = nameChanges(namesOf({ 1: 'a', 2: 'b' }), listOf(namesOf({ 1: 'b', 2: 'a' })), everything);
  assert.deepEqual(changes.renames, []);
  assert.deepEqual([...changes.names].sort(), ['a', 'b']);
  assert.deepEqual([...changes.replaced].sort(), [1, 2]);
});

test('what left a renamed superior is told first, by its own old name', () => {
  const { renames } = nameChanges(
    namesOf({ 1: 'a', 2: 'a/x' }),
    listOf(namesOf({ 1: 'b', 2: 'c' })),
    everything,
  );
  assert.deepEqual(renames, [
    { name: 'c', oldName: 'a/x' },
    { name: 'b', oldName: 'a' },
  ]);
});

test('of names that nobody asked for nothing is a rename', () => {
  const covers = (each: string) => each === 'watched';
  const isTold = (from: string, to: string) =>
    nameChanges(namesOf({ 1: from }), listOf(namesOf({ 1: to })), covers).renames.length > 0;
  assert.deepEqual([isTold('a', 'b'), isTold('a', 'watched'), isTold('watched', 'b')], [false, true, true]);
});
