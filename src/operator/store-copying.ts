// What `rookery store copy` asks for and gets; compose-copy.ts does it.

import type { CopyProgress, CopyResult } from '../storage/copy/copy-store.ts';

export interface StoreCopyRequest {
  /** "lmdb:DIR", where DIR is a server's data directory, or a PostgreSQL URL. */
  readonly from: string;
  readonly to: string;
  /** Where the source's blob files are, when not in its data directory. */
  readonly fromBlobs: string | undefined;
  /** "engine", or a directory; undefined: the data directory's `blobs` with lmdb, the engine with PostgreSQL. */
  readonly toBlobs: string | undefined;
  readonly skipDamaged: boolean;
  readonly progress: (progress: CopyProgress) => void;
}

export interface StoreCopyOutcome extends CopyResult {
  /** What the configuration of a server on the copy says; passwords masked. */
  readonly configuration: { readonly data?: string; readonly storage: Readonly<Record<string, string>> };
  /** Data directories among the two that say that their server is a node of a cluster. */
  readonly nodes: readonly string[];
}

export type CopyStores = (request: StoreCopyRequest) => Promise<StoreCopyOutcome>;
