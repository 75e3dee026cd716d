// Puts the server together: the only place that chooses engines, back ends and listeners. Opens from the bottom of the
// ranks to the top and closes in the opposite order; a start that fails half-way closes what it opened.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type AccountHosts, openAccountHosts } from './account/account-hosts.ts';
import { prepareMessage } from './account/prepare.ts';
import { checkStore } from './account/store-check.ts';
import { type Clock, systemClock } from './base/clock.ts';
import { type Logger, openLog } from './base/log.ts';
import { Metrics } from './base/metrics.ts';
import { observeProcess } from './base/process-metrics.ts';
import { systemRandom } from './base/random.ts';
import { acquireAllShards } from './cluster/local-shards.ts';
import { LocatedAccounts } from './cluster/located-accounts.ts';
import { type Config, isReloadable } from './config/schema.ts';
import { changedKeys, maskedConfig } from './config/show-config.ts';
import { type InternalDirectory, openInternalDirectory } from './directory/internal-directory.ts';
import type { LoginLimits } from './directory/settings.ts';
import { openApiTokens } from './directory/tokens.ts';
import { isMailError, MailError } from './mail/mail-error.ts';
import type { RunningServer } from './operator/running-server.ts';
import { openAdminServer } from './speakers/http/admin/admin-server.ts';
import { ensureSelfSigned } from './speakers/kit/self-signed.ts';
import { type CertificateFiles, TlsContexts } from './speakers/kit/tls-contexts.ts';
import { MailListeners } from './speakers/mail-listeners.ts';
import type { Engine } from './storage/engine.ts';
import { type FilesystemBlobStore, openFilesystemBlobStore } from './storage/filesystem-blob-store.ts';
import { openLmdbEngine } from './storage/lmdb-engine.ts';
import { openMemoryEngine } from './storage/memory-engine.ts';
import { version } from './version.ts';

const clock: Clock = systemClock;
const random = systemRandom;
/** Level 3 is zstd's own default: three times the speed of the levels that save a little more. */
const compressionLevel = 3;
const maintenanceIntervalMs = 3_600_000;
/** Soon after the start, so that a server that is restarted often collects and compresses too, but not during it. */
const firstMaintenanceMs = 60_000;

/** What is closed in the opposite order of its opening. */
type Stack = AsyncDisposableStack;

/** Starts a whole server. Rejects with Fault (a port is taken, the store is in use) or ConfigError; nothing stays open then. */
export async function startServer(config: Config, reread: () => Config): Promise<RunningServer> {
  await using opened = new AsyncDisposableStack();
  const log = openLog({ level: config.log.level, pretty: isPretty(config) });
  mkdirSync(config.data, { recursive: true, mode: 0o700 });
  const { engine, blobs } = await openStorage(config, log, opened);
  const metrics = new Metrics();
  const { hosts, directory, accounts } = await openAccounts(config, { engine, blobs, log, metrics }, opened);
  opened.use(observeProcess(metrics));
  observeStorage(metrics, { engine, blobs });
  const tls = await TlsContexts.open(await certificateFiles(config), config.tls.minimum_version);
  const parts = { directory, accounts, tls, clock, random, log, metrics, version };
  const listeners = await MailListeners.open({ config, ...parts });
  let current = config;
  const reload = async (next: Config) => {
    const changed = changedKeys(current, next);
    await tls.reload(await certificateFiles(next));
    listeners.reload(next);
    directory.setLimits(loginLimits(next));
    log.level = next.log.level;
    current = next;
    const outcome = {
      reloaded: ['certificates', ...changed.filter(isReloadable)],
      needRestart: changed.filter((key) => !isReloadable(key)),
    };
    log.info(outcome, 'configuration reloaded');
    return outcome;
  };
  opened.defer(() => listeners.close(current.limits.drain));
  let isDraining = false;
  const tokens = opened.use(openApiTokens({ engine, clock, random, log }));
  const admin = await openAdminServer({
    listen: config.listen.admin,
    socketPath: join(config.data, 'admin.sock'),
    dependencies: {
      directory,
      accounts,
      tokens: {
        verify: (token) => tokens.verify(token),
        create: (wanted) => tokens.create(wanted),
        list: async () => (await tokens.list({ after: undefined, limit: 1000 })).items,
        revoke: (id) => tokens.revoke(id),
      },
      engine,
      prepareMessage: (bytes) => prepareMessage(bytes, { clock }),
      checkStore: ({ repair }) => checkStore({ engine, blobs, hosts, directory, clock, log, repair }),
      metricsText: async () => ({ contentType: metrics.contentType, body: await metrics.expose() }),
      unreadyReason: () => (isDraining ? 'draining' : undefined),
      effectiveConfig: () => maskedConfig(current),
      reload: () => reloadFor(reread, reload),
      version,
      messageBytesMax: config.limits.message_size,
      clock,
      random,
      log,
    },
  });
  opened.defer(() => admin.close());
  const endpoints = [
    ...listeners.endpoints,
    ...admin.addresses.map((place) => ({ name: 'admin', ...place })),
  ];
  log.info({ version, data: config.data, endpoints }, 'started');
  const stack = opened.move();
  return {
    endpoints,
    directory,
    reload,
    close: async () => {
      isDraining = true;
      log.info('stopping');
      // The admin API stays to the end of the drain: a balancer learns from /readyz where not to send anybody.
      await listeners.close(current.limits.drain);
      await stack.disposeAsync();
      log.info('stopped');
    },
  };
}

/** Whoever asked is told what is wrong with the new configuration; the old one stays. */
async function reloadFor<T>(reread: () => Config, reload: (next: Config) => Promise<T>): Promise<T> {
  try {
    return await reload(reread());
  } catch (error) {
    throw new MailError('invalidArgument', `not reloaded: ${(error as Error).message}`);
  }
}

function isPretty(config: Config): boolean {
  return config.log.format === 'pretty' || (config.log.format === 'auto' && process.stdout.isTTY === true);
}

async function openStorage(
  config: Config,
  log: Logger,
  opened: Stack,
): Promise<{ engine: Engine; blobs: FilesystemBlobStore }> {
  const { storage, data } = config;
  const engine = opened.use(
    storage.engine === 'memory'
      ? openMemoryEngine()
      : await openLmdbEngine({
          directory: join(data, 'store'),
          reserveBytes: storage.reserve,
          log,
          clock,
          // The engine logged why. A node that cannot write ends, so that it is started again and reads what is on disk.
          onWriterFailure: () => process.exit(1),
        }),
  );
  const blobs = opened.use(
    await openFilesystemBlobStore({
      directory: join(data, 'blobs'),
      engine,
      clock,
      random,
      log,
      reserveBytes: storage.reserve,
      compression: { level: compressionLevel },
    }),
  );
  const maintain = async (): Promise<void> => {
    await blobs.collect();
    await blobs.sweep();
    if (storage.compress) await blobs.compressOld({ olderThanMs: storage.compress_after });
  };
  let timer = clock.after(firstMaintenanceMs, function again() {
    maintain()
      .catch((error: unknown) =>
        log.error({ err: error }, 'blob maintenance failed; it is tried again in an hour'),
      )
      .finally(() => {
        timer = clock.after(maintenanceIntervalMs, again);
      });
  });
  opened.defer(() => timer.cancel());
  return { engine, blobs };
}

interface StorageParts {
  readonly engine: Engine;
  readonly blobs: FilesystemBlobStore;
  readonly log: Logger;
  readonly metrics: Metrics;
}

async function openAccounts(
  config: Config,
  { engine, blobs, log, metrics }: StorageParts,
  opened: Stack,
): Promise<{ hosts: AccountHosts; directory: InternalDirectory; accounts: LocatedAccounts }> {
  const shards = await acquireAllShards(engine);
  const limits = { memoryBytesMax: config.limits.account_memory, tombstonesMax: config.storage.tombstones };
  const hosts = opened.use(openAccountHosts({ engine, blobs, shards, clock, log, limits, metrics }));
  const directory = opened.use(
    await openInternalDirectory({
      engine,
      clock,
      random,
      log,
      metrics,
      settings: {
        subAddressSeparators: config.sub_address_separators,
        ...loginLimits(config),
        hooks: {
          onAccountAdded: ({ id, quotaBytes, quotaMessages }) =>
            hosts.create(id, { bytesMax: quotaBytes, messagesMax: quotaMessages }),
          onAccountChanged: async (account) => {
            const port = await accounts.open(account.id);
            await port.setQuota({ bytesMax: account.quotaBytes, messagesMax: account.quotaMessages });
            if (!account.enabled) hosts.endSessions(account.id);
          },
          onPasswordChanged: async (id) => hosts.endSessions(id),
          // Removed already when the hook is told a second time.
          onAccountRemoved: (id) =>
            hosts.remove(id).catch((error: unknown) => {
              if (!isMailError(error, 'noSuchAccount')) throw error;
            }),
        },
      },
    }),
  );
  const accounts: LocatedAccounts = new LocatedAccounts(hosts, directory);
  return { hosts, directory, accounts };
}

function loginLimits({ authentication }: Config): LoginLimits {
  return {
    failuresPerAddress: authentication.failures_per_address,
    failuresPerAccount: authentication.failures_per_account,
    verifiedCacheMs: authentication.verified_cache,
  };
}

async function certificateFiles(config: Config): Promise<CertificateFiles[]> {
  const given = config.tls.certificates.map(({ certificate, key }) => ({
    certificateFile: certificate,
    keyFile: key,
  }));
  if (given.length > 0) return given;
  return [
    await ensureSelfSigned({ directory: join(config.data, 'tls'), hostname: config.hostname, clock, random }),
  ];
}

interface ObservedParts {
  readonly engine: Engine;
  readonly blobs: FilesystemBlobStore;
}

function observeStorage(metrics: Metrics, { engine, blobs }: ObservedParts): void {
  const observe = (name: string, help: string, read: () => number): void =>
    metrics.observed({ name: `rookery_${name}`, help }, read);
  observe('engine_commits', 'Flushes to disk', () => engine.statistics().commits);
  observe('engine_batches', 'Batches committed; several share a flush', () => engine.statistics().batches);
  observe(
    'engine_bytes_written',
    'Bytes of keys and values committed',
    () => engine.statistics().bytesWritten,
  );
  observe('engine_bytes_on_disk', 'Size of the engine on disk', () => engine.statistics().bytesOnDisk);
  observe('blobs', 'Blobs in files', () => blobs.statistics().blobs);
  observe('blob_bytes', 'Bytes of blobs as they came', () => blobs.statistics().bytes);
  observe('blob_bytes_stored', 'Bytes of blobs on disk', () => blobs.statistics().bytesStored);
  observe('blob_bytes_saved', 'Bytes saved by compression', () => {
    const { bytes, bytesStored } = blobs.statistics();
    return Math.max(0, bytes - bytesStored);
  });
}
