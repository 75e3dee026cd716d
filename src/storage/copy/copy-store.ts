// Copies a whole store from one engine to another: from the embedded engine to PostgreSQL, and back.
//
// Invariants: nobody else writes to either store meanwhile (the caller sees to it; a source that was written to all the
// same is noticed at the end). How far the copy got is a row of the target (copy-progress.ts); the row goes only after all
// rows were read back and gave the digest that the source's gave, and every blob was read back and had the digest it is
// named by. A failure leaves the row: the copy goes on when it is run again.

import { createHash, type Hash } from 'node:crypto';
import { Fault } from '../../base/fault.ts';
import type { Engine, Entry } from '../engine.ts';
import { type CopiedBlobs, keyBehind, type SourceBlob } from './copied-blobs.ts';
import {
  type CopiedPage,
  copiedPages,
  countLeftBehind,
  fencePages,
  isEmptyStore,
  type LeftBehind,
} from './copied-rows.ts';
import { CopyProgressRow, type CopyState, isCopyResumed, isCopyUnfinished } from './copy-progress.ts';

const blobsTogether = 8;
const blobBytesTogether = 64 * 1024 * 1024;
/** More is a store that wants to be checked before it is copied. */
const damagedMax = 10_000;

export interface CopyProgress {
  /** `reading`: rows of the source, of a total that is not known. Then bytes of rows and blobs, of `bytesTotal`. */
  readonly phase: 'reading' | 'copying' | 'verifying';
  readonly rows: number;
  readonly bytes: number;
  readonly bytesTotal: number;
}

export interface CopyOptions {
  readonly source: Engine;
  readonly target: Engine;
  readonly blobs: CopiedBlobs;
  /** Where the target's blobs go: 'engine' or a directory. A copy that is resumed must have the same. */
  readonly blobsTo: string;
  /** Go on without blobs that cannot be read at the source. */
  readonly skipDamaged?: boolean;
  /** Told now and then. */
  readonly progress?: (progress: CopyProgress) => void;
}

export interface CopyResult {
  /** Of the whole store, as read back. */
  readonly rows: number;
  readonly bytes: number;
  readonly blobs: number;
  readonly blobBytes: number;
  /** SHA-256 over all keys and values but those of blobs, in hexadecimal: the same for both stores. */
  readonly digest: string;
  /** Whether it went on with a copy that had been broken off. */
  readonly resumed: boolean;
  /** Rows of the source that do not go along. */
  readonly leftBehind: LeftBehind;
  /** Digests of blobs that are not there, because they could not be read at the source. */
  readonly damaged: readonly string[];
}

/** Rejects with Fault when the target holds another store, or what was read back is not what was to be copied. */
export async function copyStore(options: CopyOptions): Promise<CopyResult> {
  return await new StoreCopy(options).run();
}

interface Digest {
  readonly rows: number;
  readonly bytes: number;
  readonly digest: string;
}

class StoreCopy {
  readonly #options: CopyOptions;
  #bytesTotal = 0;
  #row!: CopyProgressRow;

  constructor(options: CopyOptions) {
    this.#options = options;
  }

  async run(): Promise<CopyResult> {
    const { source, target } = this.#options;
    const isResumed = await this.#checkStores();
    const fences = await digestOf(fencePages(source));
    const wanted = await digestOf(copiedPages(source), (rows, bytes) => this.#tell('reading', rows, bytes));
    this.#bytesTotal = wanted.bytes + (await this.#countBlobs());
    await this.#begin(wanted.digest);
    if (this.#row.state.part === 'blobs') await this.#copyBlobs();
    await this.#copyRows();
    const found = await digestOf(copiedPages(target), (rows, bytes) => this.#tell('verifying', rows, bytes));
    if (found.digest !== wanted.digest) throw differs(wanted, found);
    const verified = await this.#verifyBlobs(found);
    if ((await digestOf(fencePages(source))).digest !== fences.digest) {
      throw new Fault(
        'a server ran on the source while it was copied: stop it, empty the target, copy anew',
        {
          temporary: false,
        },
      );
    }
    const leftBehind = await countLeftBehind(source);
    const { damaged } = this.#row.state;
    await this.#row.finish();
    return { ...found, ...verified, resumed: isResumed, leftBehind, damaged };
  }

  /** Whether a copy is to be resumed. */
  async #checkStores(): Promise<boolean> {
    const { source, target } = this.#options;
    if (await isCopyUnfinished(source)) {
      throw new Fault('the source is itself a copy that was not finished', { temporary: false });
    }
    if (await isEmptyStore(source)) {
      throw new Fault('there is nothing in the source: is that the right one?', { temporary: false });
    }
    return await isCopyResumed(target);
  }

  async #begin(digest: string): Promise<void> {
    const { target, blobsTo } = this.#options;
    const left = await CopyProgressRow.left(target);
    const fresh: CopyState = { source: digest, blobsTo, part: 'blobs', rows: 0, bytes: 0, damaged: [] };
    this.#row = left ?? (await CopyProgressRow.begin(target, fresh));
    const { state } = this.#row;
    if (state.source !== digest) {
      const message =
        'the target holds the beginning of a copy of another store, or of this one as it was before';
      throw new Fault(`${message}: empty the target and copy anew`, { temporary: false });
    }
    if (state.blobsTo !== blobsTo) {
      const message = `the copy was begun with blobs to ${state.blobsTo}: go on with that, or empty the target`;
      throw new Fault(message, { temporary: false });
    }
  }

  #tell(phase: CopyProgress['phase'], rows: number, bytes: number): void {
    this.#options.progress?.({ phase, rows, bytes, bytesTotal: this.#bytesTotal });
  }

  async #countBlobs(): Promise<number> {
    let bytes = 0;
    for await (const page of this.#options.blobs.pages()) bytes += bytesOf(page);
    return bytes;
  }

  async #copyBlobs(): Promise<void> {
    for await (const page of this.#options.blobs.pages(startOf(this.#row.state))) {
      for (const blobs of batchesOf(page)) {
        const copied = await Promise.all(blobs.map((blob) => this.#options.blobs.copy(blob)));
        const damaged = blobs.filter((_, index) => !copied[index]).map((blob) => this.#damaged(blob));
        const { state } = this.#row;
        const bytes = state.bytes + bytesOf(blobs);
        const next = Buffer.from(keyBehind(blobs.at(-1)!)).toString('base64');
        await this.#row.save({ ...state, bytes, next, damaged: [...state.damaged, ...damaged] });
        this.#tell('copying', 0, bytes);
      }
    }
    const { next: _, ...state } = this.#row.state;
    await this.#row.save({ ...state, part: 'rows' });
  }

  #damaged({ digest }: SourceBlob): string {
    const blob = Buffer.from(digest).toString('hex');
    if (this.#options.skipDamaged !== true) {
      const way = 'have `rookery store check` tell which message it is; --skip-damaged copies without it';
      throw new Fault(`blob ${blob} cannot be read at the source: ${way}`, { temporary: false });
    }
    if (this.#row.state.damaged.length >= damagedMax)
      throw new Fault(`more than ${damagedMax} blobs cannot be read at the source`, { temporary: false });
    return blob;
  }

  async #copyRows(): Promise<void> {
    for await (const page of copiedPages(this.#options.source, startOf(this.#row.state))) {
      if (page.entries.length === 0) continue;
      const { state } = this.#row;
      const rows = state.rows + page.entries.length;
      const bytes = state.bytes + sizeOf(page.entries);
      const next = Buffer.from(page.next).toString('base64');
      await this.#row.save({ ...state, rows, bytes, next }, page.entries);
      this.#tell('copying', rows, bytes);
    }
  }

  async #verifyBlobs({ rows, bytes }: Digest): Promise<{ blobs: number; blobBytes: number }> {
    const damaged = new Set(this.#row.state.damaged);
    let blobs = 0;
    let blobBytes = 0;
    for await (const page of this.#options.blobs.pages()) {
      for (const { digest, row } of page) {
        const blob = Buffer.from(digest).toString('hex');
        if (damaged.has(blob)) continue;
        const state = await this.#options.blobs.verify(digest);
        if (state !== 'sound') throw new Fault(`the copy of blob ${blob} is ${state}`, { temporary: false });
        blobs++;
        blobBytes += row!.bytes;
        this.#tell('verifying', rows, bytes + blobBytes);
      }
    }
    const copied = await this.#options.blobs.countCopied();
    if (copied !== blobs) {
      throw new Fault(`${blobs} blobs were to be copied, ${copied} are there`, { temporary: false });
    }
    return { blobs, blobBytes };
  }
}

function startOf({ next }: CopyState): Buffer | undefined {
  return next === undefined ? undefined : Buffer.from(next, 'base64');
}

/** Copied at the same time: each is in memory, and waits for the disk. */
function batchesOf(blobs: readonly SourceBlob[]): SourceBlob[][] {
  const batches: SourceBlob[][] = [];
  for (const blob of blobs) {
    const batch = batches.at(-1);
    const isFull = batch?.length === blobsTogether || bytesOf([...(batch ?? []), blob]) > blobBytesTogether;
    if (batch === undefined || isFull) batches.push([blob]);
    else batch.push(blob);
  }
  return batches;
}

function sizeOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
}

function bytesOf(blobs: readonly SourceBlob[]): number {
  return blobs.reduce((sum, { row }) => sum + (row?.bytes ?? 0), 0);
}

function differs(wanted: Digest, found: Digest): Fault {
  const counts = `${wanted.rows} rows were to be copied, ${found.rows} are there`;
  return new Fault(`the copy differs from the store it was made of: ${counts}`, { temporary: false });
}

/** Over every row, in the order of the keys, each part behind its length. */
async function digestOf(
  pages: AsyncIterable<CopiedPage>,
  told: (rows: number, bytes: number) => void = () => {},
): Promise<Digest> {
  const hash = createHash('sha256');
  let rows = 0;
  let bytes = 0;
  for await (const { entries } of pages) {
    for (const entry of entries) addTo(hash, entry);
    rows += entries.length;
    bytes += sizeOf(entries);
    told(rows, bytes);
  }
  return { rows, bytes, digest: hash.digest('hex') };
}

const lengths = Buffer.alloc(8);

function addTo(hash: Hash, { key, value }: Entry): void {
  lengths.writeUInt32BE(key.length, 0);
  lengths.writeUInt32BE(value.length, 4);
  hash.update(lengths).update(key).update(value);
}
