// What a reload makes of a running configuration: keys that can be taken over are, the others keep the value with which the
// server started. So what `config show --running` prints is in effect, and each reload says anew what waits for a restart.
// Pure.

import { type Config, isReloadable } from './schema.ts';
import { changedKeys } from './show-config.ts';

export interface TakenOver {
  readonly config: Config;
  readonly outcome: {
    readonly reloaded: readonly string[];
    /** Keys whose value waits for a restart, from this reload or an earlier one. */
    readonly needRestart: readonly string[];
  };
}

/** `running` is what an earlier call gave, or what the server started with. Certificates are always read again. */
export function takeOver(running: Config, next: Config): TakenOver {
  const changed = changedKeys(running, next);
  return {
    config: reloadableOver('', running, next) as Config,
    outcome: {
      reloaded: ['certificates', ...changed.filter(isReloadable)],
      needRestart: changed.filter((key) => !isReloadable(key)),
    },
  };
}

type Table = Record<string, unknown>;

function reloadableOver(prefix: string, running: Table, next: Table): Table {
  const keys = new Set([...Object.keys(running), ...Object.keys(next)]);
  const entries = [...keys].map((key): [string, unknown] => {
    const [old, wanted] = [running[key], next[key]];
    if (isTable(old) && isTable(wanted)) return [key, reloadableOver(`${prefix}${key}.`, old, wanted)];
    return [key, isReloadable(prefix + key) ? wanted : old];
  });
  return Object.freeze(Object.fromEntries(entries.filter(([, value]) => value !== undefined)));
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
