// Runs the project with one rule taken out of a source file, for the tests of the simulation's checks: the text is replaced
// as the file is loaded, the file itself stays. Only in the thread that calls it, and only for what is loaded afterwards.
//
// Invariant: the text stands in the file exactly once, and the file is loaded, or it is an error: a mutation that
// changes nothing would prove nothing.

import assert from 'node:assert/strict';
import { registerHooks } from 'node:module';

export interface SourceMutation {
  /** From the project's root. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const root = new URL('../../', import.meta.url);

/** What `load` loads is mutated. */
export async function withMutation<T>(mutation: SourceMutation, load: () => Promise<T>): Promise<T> {
  const target = new URL(mutation.file, root).href;
  let isApplied = false;
  const hooks = registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (url !== target) return loaded;
      const parts = String(loaded.source).split(mutation.from);
      assert.equal(
        parts.length,
        2,
        `"${mutation.from}" stands ${parts.length - 1} times in ${mutation.file}`,
      );
      isApplied = true;
      return { ...loaded, source: parts.join(mutation.to) };
    },
  });
  try {
    const result = await load();
    assert.ok(isApplied, `${mutation.file} was not loaded, or was before`);
    return result;
  } finally {
    hooks.deregister();
  }
}
