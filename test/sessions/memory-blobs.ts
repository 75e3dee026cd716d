// A blob store in memory for session tests: keeps the contract's rows and answers, and nothing on disk.

import type { BlobStatistics, BlobStore } from '../../src/storage/blobs/blob-store.ts';

export function openMemoryBlobs(): BlobStore {
  const blobs = new Map<string, Uint8Array>();
  const nameOf = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');
  const statistics = (): BlobStatistics => {
    let bytes = 0;
    for (const blob of blobs.values()) bytes += blob.length;
    return { blobs: blobs.size, bytes, bytesStored: bytes };
  };
  return {
    async put(digest, bytes) {
      blobs.set(nameOf(digest), bytes);
    },
    async link() {
      return { puts: [], conditions: [] };
    },
    unlink: () => [],
    dropped: () => {},
    async read(digest, offset, length) {
      return blobs.get(nameOf(digest))?.subarray(offset, offset + length);
    },
    async verify(digest) {
      return blobs.has(nameOf(digest)) ? 'sound' : 'missing';
    },
    async *list() {},
    collect: async () => ({ removed: 0, bytes: 0 }),
    statistics,
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}
