// Large immutable bytes, addressed by the SHA-256 of what they hold (uncompressed). Small messages never come
// here: they live in the engine beside their metadata. A blob is durable before the metadata that names it.
//
// Invariant: a blob with at least one link is readable, byte for byte. A blob whose last link is gone is
// removed by `collect`, never while a commit that links it can still succeed.
// Links are rows in the engine, one for each holder, put and deleted in the same batch as the metadata that names
// the blob: so there is no counter that two writers share, and the count is the number of rows.

import type { Condition, Entry } from '../engine.ts';

/** Up to this a message is better off in the engine, beside its metadata: docs/notes/2026-11-22-blob-threshold.md. */
export const inlineBytesMax = 128 * 1024;

/** 32 bytes. */
export type BlobDigest = Uint8Array;

export function hex(digest: BlobDigest): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.length).toString('hex');
}

export interface BlobStatistics {
  readonly blobs: number;
  /** Bytes of the blobs as they came, and as they are on disk. */
  readonly bytes: number;
  readonly bytesStored: number;
}

/** What to add to the batch that stores a reference. */
export interface BlobLink {
  readonly puts: readonly Entry[];
  readonly conditions: readonly Condition[];
}

/** What a check of the store's own rows found; `what` is for people. */
export interface BlobFinding {
  readonly what: string;
  readonly action: 'repaired' | 'setAside' | 'reported';
}

export interface BlobStore extends AsyncDisposable {
  /**
   * Makes the bytes durable (temp + fsync + rename + directory fsync); a blob that is there already is not written twice.
   * Rejects with MailError('storageFull') or Fault.
   */
  put(digest: BlobDigest, bytes: Uint8Array): Promise<void>;
  /**
   * The rows and conditions that link `digest` for `holder` (a key-safe string unique to the reference, e.g. account/email).
   * A commit that answers `conflict` on one of them means the blob was being collected: put it again and retry.
   */
  link(digest: BlobDigest, holder: string): Promise<BlobLink>;
  /** The keys to delete in the batch that drops the reference. */
  unlink(digest: BlobDigest, holder: string): Uint8Array[];
  /** Tells the store that a link went; it collects in the background. */
  dropped(digest: BlobDigest): void;
  /** Up to `length` bytes from `offset` of the uncompressed bytes; undefined when there is no such blob. Rejects with Fault when it is damaged. */
  read(digest: BlobDigest, offset: number, length: number): Promise<Uint8Array | undefined>;
  /** Reads all of it and compares with the digest. */
  verify(digest: BlobDigest): Promise<'sound' | 'damaged' | 'missing'>;
  /** Every blob there is, with its number of links: for store check. */
  list(): AsyncIterable<{ readonly digest: BlobDigest; readonly bytes: number; readonly links: number }>;
  /** Removes blobs that have no link; runs in the background by itself, awaited by tests and store check. */
  collect(): Promise<{ readonly removed: number; readonly bytes: number }>;
  /** Every link whose holder's name begins with `prefix`: for store check, it walks all links. */
  heldBy?(prefix: string): AsyncIterable<{ readonly digest: BlobDigest; readonly holder: string }>;
  /** Walks the store's own rows; with `repair` makes damaged ones again from the blobs. For store check. */
  check?(options: { readonly repair: boolean }): AsyncIterable<BlobFinding>;
  statistics(): BlobStatistics;
  close(): Promise<void>;
}
