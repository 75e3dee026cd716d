// The least that behaves like an account: messages with UIDs and mod-sequences, operations remembered by their id, and
// a view of it that a session keeps.

export interface StoredMessage {
  readonly operation: number;
  readonly modSeq: number;
}

/** An account as the engine has it, or as its host has it in memory. */
export interface AccountRows {
  uidNext: number;
  modSeq: number;
  readonly messages: Map<number, StoredMessage>;
  /** Operation → the UID it was about. */
  readonly operations: Map<number, number>;
  readonly tombstones: [uid: number, modSeq: number][];
}

export function emptyAccount(): AccountRows {
  return { uidNext: 1, modSeq: 0, messages: new Map(), operations: new Map(), tombstones: [] };
}

export function copyAccount(rows: AccountRows): AccountRows {
  return {
    uidNext: rows.uidNext,
    modSeq: rows.modSeq,
    messages: new Map(rows.messages),
    operations: new Map(rows.operations),
    tombstones: [...rows.tombstones],
  };
}

/** What a host has decided and the engine is to write, blindly, as rows are written. */
export type AccountWrite =
  | { readonly kind: 'deliver'; readonly operation: number; readonly uid: number; readonly modSeq: number }
  | { readonly kind: 'flag'; readonly operation: number; readonly uid: number; readonly modSeq: number }
  | { readonly kind: 'expunge'; readonly operation: number; readonly uid: number; readonly modSeq: number };

export interface Mutation {
  readonly kind: AccountWrite['kind'];
  readonly operation: number;
  /** Of the message to flag or expunge. */
  readonly uid: number;
}

/** Decides a group of mutations, one after the other, without changing what is committed. */
export class MailDraft {
  readonly writes: AccountWrite[] = [];
  readonly #rows: AccountRows;
  readonly #done = new Map<number, number>();
  readonly #expunged = new Set<number>();
  #uidNext: number;

  constructor(rows: AccountRows) {
    this.#rows = rows;
    this.#uidNext = rows.uidNext;
  }

  /** The UID of the message it is about; nothing is to be written when an earlier try of it was. */
  decide({ kind, operation, uid: wanted }: Mutation): number {
    const done = this.#rows.operations.get(operation) ?? this.#done.get(operation);
    if (done !== undefined) return done;
    const uid = kind === 'deliver' ? this.#uidNext++ : wanted;
    if (kind !== 'deliver' && (this.#expunged.has(uid) || !this.#rows.messages.has(uid))) return uid;
    if (kind === 'expunge') this.#expunged.add(uid);
    this.#done.set(operation, uid);
    this.writes.push({ kind, operation, uid, modSeq: this.#rows.modSeq + 1 + this.writes.length });
    return uid;
  }
}

export function applyWrite(rows: AccountRows, write: AccountWrite): void {
  const { kind, operation, uid, modSeq } = write;
  rows.modSeq = modSeq;
  rows.operations.set(operation, uid);
  if (kind === 'deliver') {
    rows.uidNext = uid + 1;
    rows.messages.set(uid, { operation, modSeq });
  } else if (kind === 'flag') {
    const message = rows.messages.get(uid);
    if (message !== undefined) rows.messages.set(uid, { operation: message.operation, modSeq });
  } else {
    rows.messages.delete(uid);
    rows.tombstones.push([uid, modSeq]);
  }
}

export interface Changes {
  readonly modSeq: number;
  readonly changed: readonly (readonly [uid: number, modSeq: number])[];
  readonly vanished: readonly number[];
}

export function changesSince(rows: AccountRows, since: number): Changes {
  const changed: [number, number][] = [];
  if (rows.modSeq > since) {
    for (const [uid, { modSeq }] of rows.messages) if (modSeq > since) changed.push([uid, modSeq]);
  }
  const vanished: number[] = [];
  for (let at = rows.tombstones.length - 1; at >= 0 && rows.tombstones[at]![1] > since; at--) {
    vanished.push(rows.tombstones[at]![0]);
  }
  return { modSeq: rows.modSeq, changed, vanished };
}
