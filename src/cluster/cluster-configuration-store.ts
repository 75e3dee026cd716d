// The cluster's configuration in the engine: the document that holds now, and the last hundred that held before, under
// ('configuration', …). Invariants: versions rise by one; a version never changes; of two changes made from the same
// version one is refused (conflict) and its author looks again. Running nodes hear of a change by a signal, and by looking
// now and then when it is lost.

import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { MailError } from '../mail/mail-error.ts';
import type { Bytes, Engine } from '../storage/engine.ts';
import { decodeJsonRecord, encodeJsonRecord } from '../storage/record.ts';
import { encodeTuple, tuplePrefixRange } from '../storage/tuple.ts';
import { type ClusterSettings, checkClusterSettings, noClusterSettings } from './cluster-configuration.ts';

export interface ClusterConfiguration extends ClusterSettings {
  /** 0: nothing was ever applied. */
  readonly version: number;
  /** Wall clock, milliseconds. */
  readonly changedAt: number;
  /** Who changed it, as the admin API knows callers. */
  readonly changedBy: string;
  readonly comment: string;
}

export interface ApplyOptions {
  /** The version that the change was made from. */
  readonly version: number;
  readonly changedBy: string;
  readonly comment?: string;
}

export const configurationTopic = 'configuration';

const recordVersion = 1;
const currentKey = encodeTuple(['configuration', 'current']);
const versionKey = (version: number): Bytes => encodeTuple(['configuration', 'version', version]);
const versionRange = tuplePrefixRange(['configuration', 'version']);
/** Months of changes made by hand. */
export const configurationVersionsMax = 100;
const historyBytesMax = 64 * 1024 * 1024;
const textCharactersMax = 500;
/** A lost signal costs no more than this. */
const pollMs = 10_000;

function encode(document: ClusterConfiguration): Buffer {
  return encodeJsonRecord('clusterConfiguration', recordVersion, document);
}

function decode(bytes: Bytes | undefined): ClusterConfiguration {
  if (bytes === undefined)
    return { ...noClusterSettings, version: 0, changedAt: 0, changedBy: '', comment: '' };
  return decodeJsonRecord('clusterConfiguration', recordVersion, bytes);
}

export class ClusterConfigurationStore {
  readonly #engine: Engine;
  readonly #clock: Clock;

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  async current(): Promise<ClusterConfiguration> {
    return decode(await this.#engine.get(currentKey));
  }

  /** Checks it, and makes it the newest version. Refuses with invalidArgument or conflict. */
  async apply(next: ClusterSettings, options: ApplyOptions): Promise<ClusterConfiguration> {
    const { settings, overrides } = next;
    checkClusterSettings({ settings, overrides });
    const { version, changedBy, comment = '' } = options;
    if (changedBy.length > textCharactersMax || comment.length > textCharactersMax)
      throw new MailError('invalidArgument', `a comment has up to ${textCharactersMax} characters`);
    const bytes = await this.#engine.get(currentKey);
    const present = decode(bytes);
    if (present.version !== version) throw conflict(present.version);
    const document = {
      settings,
      overrides,
      version: version + 1,
      changedAt: this.#clock.now(),
      changedBy,
      comment,
    };
    const value = encode(document);
    const forgotten = document.version - configurationVersionsMax;
    const result = await this.#engine.commit({
      conditions: [{ key: currentKey, expected: bytes }],
      deletes: forgotten > 0 ? [versionKey(forgotten)] : [],
      puts: [
        { key: currentKey, value },
        { key: versionKey(document.version), value },
      ],
      signals: [configurationTopic],
    });
    if (result.outcome !== 'committed') throw conflict();
    return document;
  }

  /** The kept versions, newest first. */
  async history(): Promise<ClusterConfiguration[]> {
    const limits = { entriesMax: configurationVersionsMax, bytesMax: historyBytesMax };
    const { entries } = await this.#engine.page({ ...versionRange, reverse: true }, limits);
    return entries.map(({ value }) => decode(value));
  }

  /** 0: nothing was applied yet. Refuses with invalidArgument when it is not kept (any more). */
  async version(version: number): Promise<ClusterConfiguration> {
    if (version === 0) return decode(undefined);
    const isNumber = Number.isSafeInteger(version) && version >= 1;
    const bytes = isNumber ? await this.#engine.get(versionKey(version)) : undefined;
    if (bytes === undefined)
      throw new MailError(
        'invalidArgument',
        `there is no version ${version}; the last ${configurationVersionsMax} are kept`,
      );
    return decode(bytes);
  }

  /** Makes an old version the newest one, checked as any other: what was right then may not be now. */
  async rollback(to: number, options: ApplyOptions): Promise<ClusterConfiguration> {
    const old = await this.version(to);
    return this.apply(old, { comment: `back to version ${to}`, ...options });
  }

  /** Calls `changed` for each version that is newer than `seen`, not for those that were overtaken meanwhile. */
  watch(options: WatchOptions): Disposable {
    return new ConfigurationWatch(this, this.#engine, this.#clock, options);
  }
}

export interface WatchOptions {
  /** The version this node runs with. */
  readonly seen: number;
  /** What it throws is logged; the next version is another chance. */
  readonly changed: (configuration: ClusterConfiguration) => Promise<void> | void;
  readonly log: Logger;
}

class ConfigurationWatch implements Disposable {
  readonly #store: ClusterConfigurationStore;
  readonly #clock: Clock;
  readonly #options: WatchOptions;
  readonly #unsubscribe: () => void;
  #seen: number;
  #timer: Timer;
  #isLooking = false;
  #lookAgain = false;
  #isClosed = false;

  constructor(store: ClusterConfigurationStore, engine: Engine, clock: Clock, options: WatchOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#options = options;
    this.#seen = options.seen;
    this.#unsubscribe = engine.subscribe(configurationTopic, () => void this.#look());
    // At once: something may have changed between the reading of `seen` and the subscription.
    this.#timer = clock.after(0, () => void this.#look());
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#unsubscribe();
    this.#timer.cancel();
  }

  /** One look at a time; a signal meanwhile is one more look. */
  async #look(): Promise<void> {
    this.#lookAgain = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#timer.cancel();
    while (this.#lookAgain && !this.#isClosed) {
      this.#lookAgain = false;
      await this.#takeOver();
    }
    this.#isLooking = false;
    if (!this.#isClosed) this.#timer = this.#clock.after(pollMs, () => void this.#look());
  }

  async #takeOver(): Promise<void> {
    const { changed, log } = this.#options;
    try {
      const configuration = await this.#store.current();
      if (configuration.version <= this.#seen || this.#isClosed) return;
      this.#seen = configuration.version;
      await changed(configuration);
    } catch (error) {
      log.warn({ err: error }, 'the cluster’s configuration was not taken over');
    }
  }
}

function conflict(version?: number): MailError {
  const now = version === undefined ? 'somebody else changed it' : `it is at version ${version} now`;
  return new MailError(
    'conflict',
    `the configuration was changed meanwhile: ${now}; look at it and try again`,
  );
}
