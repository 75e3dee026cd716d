// Branded identifiers: what gets mixed up does not type-check (STYLE 4).

declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Opaque, 16 lower-case characters of [a-z2-7]; never reused, survives renames of the address. */
export type AccountId = Brand<string, 'AccountId'>;
/** 1..2^32-1, unique within the account, never reused. */
export type MailboxId = Brand<number, 'MailboxId'>;
/** 1..2^53-1, unique within the account, never reused; the same in every mailbox the message is in. */
export type EmailId = Brand<number, 'EmailId'>;
/** 1..2^53-1, unique within the account: the EmailId of the thread's first message. */
export type ThreadId = Brand<number, 'ThreadId'>;
/** 1..2^32-1, rises within one mailbox and UIDVALIDITY (RFC 9051 2.3.1.1). */
export type Uid = Brand<number, 'Uid'>;
/** 1..n, a message's place in a session's view. */
export type SequenceNumber = Brand<number, 'SequenceNumber'>;
/** 1..2^53-1, one counter an account; every change of anything takes the next one (RFC 7162). */
export type ModSeq = Brand<number, 'ModSeq'>;
/** 0..shards-1, the slice of a cell an account belongs to. */
export type ShardId = Brand<number, 'ShardId'>;
/** The number of a lease; only rises. A commit under an older one is refused. */
export type Epoch = Brand<number, 'Epoch'>;
/** Chosen by the caller of a mutation so that a retry is applied once. Up to 64 bytes of printable ASCII. */
export type OperationId = Brand<string, 'OperationId'>;
/** A node's name in its cluster, chosen by the operator: 1..63 characters of [a-z0-9-], as in a host name. */
export type NodeId = Brand<string, 'NodeId'>;

/**
 * The trace id of the session an operation is of: what its id begins with, up to the first dot. So the id that makes a retry
 * harmless also carries the trace to the account's host, on whichever node that is.
 */
export function traceOf(operation: OperationId): string {
  const end = operation.indexOf('.');
  return end < 0 ? operation : operation.slice(0, end);
}
