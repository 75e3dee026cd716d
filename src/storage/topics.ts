// Subscriptions to change signals within one process. A listener that throws is logged and does not keep the
// others from hearing: a signal is only a hint to look again.

import type { Logger } from '../base/log.ts';

export class Topics {
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Returns the function that ends the subscription; calling it twice is fine. */
  subscribe(topic: string, listener: () => void): () => void {
    const own = (): void => listener();
    let listeners = this.#listeners.get(topic);
    if (listeners === undefined) {
      listeners = new Set();
      this.#listeners.set(topic, listeners);
    }
    listeners.add(own);
    return () => {
      const current = this.#listeners.get(topic);
      current?.delete(own);
      if (current?.size === 0) this.#listeners.delete(topic);
    };
  }

  signal(topics: readonly string[] | undefined): void {
    if (topics === undefined) return;
    for (const topic of topics) {
      for (const listener of this.#listeners.get(topic) ?? []) {
        try {
          listener();
        } catch (error) {
          this.#log.error({ err: error, topic }, 'a listener of a change signal failed');
        }
      }
    }
  }

  /** For when signals may have been missed. */
  signalAll(): void {
    this.signal([...this.#listeners.keys()]);
  }
}
