// What a client has to be told when names have changed since it was told of them (RFC 5465 5.4): renames, one after the other,
// and then names as they are now. Much may have happened at once: names given on, swapped, taken by new mailboxes.
// Invariant: whoever applies what is told, in its order, moving the inferiors of what is renamed, has the names that there are.
// Pure.

import type { MailboxId } from '../../../mail/ids.ts';
import { delimiter } from '../mailbox-names.ts';
import { parentsOf } from '../mailbox-tree.ts';

/** A mailbox, or a place. */
interface Named {
  readonly name: string;
  readonly selectable: boolean;
}

export interface NameChanges {
  readonly renames: readonly { readonly name: string; readonly oldName: string }[];
  /** That came or went, in any order, and the parents of these. */
  readonly names: ReadonlySet<string>;
  /** What the client knows of their messages is another one's. */
  readonly replaced: ReadonlySet<MailboxId>;
  /** What the client knew of their messages it has under no name any more. */
  readonly lost: ReadonlySet<MailboxId>;
}

/** `covers`: the client asked to be told of that name. */
export function nameChanges(
  known: ReadonlyMap<MailboxId, Named>,
  mailboxes: readonly (Named & { readonly id: MailboxId })[],
  covers: (name: string) => boolean,
): NameChanges {
  const believed = new BelievedNames(known);
  const moved = mailboxes.filter(({ id, name }) => {
    const before = known.get(id)?.name;
    return before !== undefined && before !== name && (covers(name) || covers(before));
  });
  const renames = believed.rename(moved);
  const there = new Set(mailboxes.map(({ id }) => id));
  const now = new Map(mailboxes.map(({ id, name }) => [name, id]));
  const names = new Set<string>();
  for (const [id, { name }] of known) if (!there.has(id)) comesOrGoes(names, name);
  for (const [name, id] of believed.ids) if (now.get(name) !== id) comesOrGoes(names, name);
  const replaced = new Set<MailboxId>();
  const lost = new Set<MailboxId>();
  for (const { id, name, selectable } of mailboxes) {
    const thought = believed.ids.get(name);
    if (thought !== undefined && thought !== id) replaced.add(id);
    else if (thought === undefined && known.has(id)) lost.add(id);
    // A place that was made a mailbox is created, too.
    if (thought !== id || known.get(id)?.selectable !== selectable) comesOrGoes(names, name);
  }
  // Of these all was said.
  for (const { name } of renames) if (believed.ids.get(name) === now.get(name)) names.delete(name);
  return { renames, names, replaced, lost };
}

/** The direct parent is affected, whether it is a mailbox or not. */
function comesOrGoes(names: Set<string>, name: string): void {
  names.add(name);
  const [parent] = parentsOf(name);
  if (parent !== undefined) names.add(parent);
}

/** Which mailbox the client takes to have which name. */
class BelievedNames {
  readonly ids = new Map<string, MailboxId>();
  readonly #names = new Map<MailboxId, string>();

  constructor(known: ReadonlyMap<MailboxId, Named>) {
    for (const [id, { name }] of known) {
      this.ids.set(name, id);
      this.#names.set(id, name);
    }
  }

  /** What is told of them, in its order. Names that are exchanged in a ring cannot be told as renames. */
  rename(
    moved: readonly (Named & { readonly id: MailboxId })[],
  ): { readonly name: string; readonly oldName: string }[] {
    const told: { name: string; oldName: string }[] = [];
    const nameNow = new Map(moved.map(({ id, name }) => [id, name]));
    // What left a superior that was renamed as well goes first, what only moved along comes last, and is then there already.
    const order = (id: MailboxId): number =>
      this.#isWithParent(id, nameNow) ? 1 : -this.#names.get(id)!.length;
    let waiting = moved.map(({ id, name }) => ({ id, name, at: order(id) })).sort((a, b) => a.at - b.at);
    for (let before = -1; waiting.length !== before; ) {
      before = waiting.length;
      waiting = waiting.filter(({ id, name }) => {
        const oldName = this.#names.get(id);
        if (oldName === undefined || oldName === name) return false;
        // Not onto what is still to be moved, nor below it.
        const isTaken = [name, ...parentsOf(name)].some((each) => {
          const there = this.ids.get(each);
          return there !== undefined && there !== id && (nameNow.get(there) ?? each) !== each;
        });
        if (isTaken) return true;
        this.#move(oldName, name);
        told.push({ name, oldName });
        return false;
      });
    }
    return told;
  }

  #isWithParent(id: MailboxId, nameNow: ReadonlyMap<MailboxId, string>): boolean {
    const before = this.#names.get(id)!;
    const [parentBefore] = parentsOf(before);
    if (parentBefore === undefined) return false;
    const parent = nameNow.get(this.ids.get(parentBefore)!);
    return parent !== undefined && parent + before.slice(parentBefore.length) === nameNow.get(id);
  }

  /** With all below it (5.4); whatever the client had under the new names is no more. */
  #move(oldName: string, name: string): void {
    const moved = [...this.ids].filter(([each]) => each === oldName || each.startsWith(oldName + delimiter));
    for (const [each] of moved) this.ids.delete(each);
    for (const [each, id] of moved) {
      const after = name + each.slice(oldName.length);
      const overwritten = this.ids.get(after);
      if (overwritten !== undefined) this.#names.delete(overwritten);
      this.ids.set(after, id);
      this.#names.set(id, after);
    }
  }
}
