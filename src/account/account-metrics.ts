// What accounts count: how many changes share a commit, how long commits take, what the accounts in memory cost.

import {
  type CounterSeries,
  durationBucketsSeconds,
  type GaugeSeries,
  type HistogramSeries,
  type Metrics,
} from '../base/metrics.ts';

export class AccountMetrics {
  readonly #commits: HistogramSeries;
  readonly #mutations: CounterSeries;
  readonly #loaded: GaugeSeries;
  readonly #memory: GaugeSeries;
  readonly #indexLag: GaugeSeries;
  readonly #searchMemory: GaugeSeries;

  constructor(metrics: Metrics) {
    this.#commits = metrics
      .histogram({
        name: 'rookery_account_commit_seconds',
        help: 'Time from deciding a group of changes of an account until they are durable',
        buckets: durationBucketsSeconds,
      })
      .with({});
    this.#mutations = metrics
      .counter({ name: 'rookery_account_mutations_total', help: 'Changes of accounts that were committed' })
      .with({});
    this.#loaded = metrics.gauge({ name: 'rookery_accounts_loaded', help: 'Accounts in memory' }).with({});
    this.#memory = metrics
      .gauge({ name: 'rookery_accounts_memory_bytes', help: 'Memory of loaded accounts, by estimate' })
      .with({});
    this.#indexLag = metrics
      .gauge({
        name: 'rookery_search_index_lag_messages',
        help: 'Messages of loaded accounts that came after the last one in the search index',
      })
      .with({});
    this.#searchMemory = metrics
      .gauge({ name: 'rookery_search_memory_bytes', help: 'Memory of what searches keep, by estimate' })
      .with({});
  }

  observeSearch({
    indexLag,
    memoryBytes,
  }: {
    readonly indexLag: number;
    readonly memoryBytes: number;
  }): void {
    this.#indexLag.set(indexLag);
    this.#searchMemory.set(memoryBytes);
  }

  observeCommit(mutations: number, durationMs: number): void {
    this.#commits.observe(durationMs / 1000);
    this.#mutations.add(mutations);
  }

  observeMemory({ loaded, memoryBytes }: { readonly loaded: number; readonly memoryBytes: number }): void {
    this.#loaded.set(loaded);
    this.#memory.set(memoryBytes);
  }
}
