// The load of the storage crash test: what batch number i of writer w changes follows from w and i alone, so the parent
// can tell from a writer's counter what has to be in the store and what must not.

import { hash } from 'node:crypto';
import type { FilesystemBlobStore } from '../../src/storage/blobs/filesystem-blob-store.ts';
import type { Batch, Bytes, Engine, Entry } from '../../src/storage/engine.ts';
import { encodeTuple } from '../../src/storage/tuple.ts';

export const writers = 4;
/** Batches that keep their rows; the batch that comes so much later deletes them. */
const rowsKept = 5;
const linksKept = 12;
const batchesPerBlob = 5;

export interface LoadStep {
  readonly writer: number;
  readonly number: number;
}

export const counterKey = (writer: number): Bytes => encodeTuple(['counter', writer]);

export function encodeCounter(value: number): Bytes {
  return Buffer.from(String(value));
}

export function decodeCounter(value: Bytes | undefined): number {
  return value === undefined ? 0 : Number(Buffer.from(value).toString());
}

/** The rows of one batch: one to four, from a few bytes to several pages. */
export function rowsOf({ writer, number }: LoadStep): Entry[] {
  return Array.from({ length: 1 + ((number * 7 + writer) % 4) }, (_, row) => {
    const size = 10 + ((number * 7919 + row * 104_729 + writer) % 9000);
    return {
      key: encodeTuple(['row', writer, number, row]),
      value: Buffer.alloc(size, `${writer}/${number}/${row};`),
    };
  });
}

/** The blob that a batch links; several writers link the same one. */
export function blobOf({ number }: LoadStep): Buffer | undefined {
  return number % batchesPerBlob === 0 ? Buffer.alloc(70_000 + number, `blob ${number};`) : undefined;
}

export const digestOf = (bytes: Uint8Array): Buffer => hash('sha256', bytes, 'buffer');
export const holderOf = ({ writer, number }: LoadStep): string => `${writer}/${number}`;

/** First batch whose rows, and whose link, are still there when `next` is the next batch of its writer. */
export const firstRows = (next: number): number => Math.max(0, next - rowsKept);
export const firstLink = (next: number): number => Math.max(0, next - linksKept);

/** Runs one batch to its acknowledgement. */
export async function runStep(engine: Engine, blobs: FilesystemBlobStore, step: LoadStep): Promise<void> {
  const { writer, number } = step;
  const blob = blobOf(step);
  const oldRows = number >= rowsKept ? rowsOf({ writer, number: number - rowsKept }) : [];
  const oldStep = { writer, number: number - linksKept };
  const oldBlob = number >= linksKept ? blobOf(oldStep) : undefined;
  for (;;) {
    if (blob !== undefined) await blobs.put(digestOf(blob), blob);
    const link = blob === undefined ? undefined : await blobs.link(digestOf(blob), holderOf(step));
    const batch: Batch = {
      conditions: [
        { key: counterKey(writer), expected: number === 0 ? undefined : encodeCounter(number) },
        ...(link?.conditions ?? []),
      ],
      deletes: [
        ...oldRows.map((row) => row.key),
        ...(oldBlob === undefined ? [] : blobs.unlink(digestOf(oldBlob), holderOf(oldStep))),
      ],
      puts: [
        { key: counterKey(writer), value: encodeCounter(number + 1) },
        ...rowsOf(step),
        ...(link?.puts ?? []),
      ],
    };
    const result = await engine.commit(batch);
    if (result.outcome === 'committed') break;
    if (result.outcome === 'fenced' || result.condition === 0)
      throw new Error('a counter was not as it was left');
  }
  if (oldBlob !== undefined) blobs.dropped(digestOf(oldBlob));
}
