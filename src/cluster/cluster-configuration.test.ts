import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import type { NodeId } from '../mail/ids.ts';
import { isMailError, type MailError } from '../mail/mail-error.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import {
  type ClusterSettings,
  checkClusterSettings,
  diffClusterSettings,
  nodeConfig,
  nodeDefaults,
} from './cluster-configuration.ts';
import { ClusterConfigurationStore, configurationVersionsMax } from './cluster-configuration-store.ts';
import { formatClusterSettings, parseClusterSettings } from './cluster-configuration-text.ts';

const one = 'one' as NodeId;
const two = 'two' as NodeId;
const refused =
  (kind: MailError['kind'], ...patterns: RegExp[]) =>
  (error: unknown) =>
    isMailError(error, kind) && patterns.every((pattern) => pattern.test(error.message));

const text = `sub_address_separators = "+-"

[limits]
message_size = "20 MiB"
connections = 100
`;
const document: ClusterSettings = parseClusterSettings(
  `${text}\n[nodes.one]\nhostname = "one.example.org"\n[nodes.one.limits]\nconnections = 200\n[nodes.one.listen]\nimap = "10.0.0.1:143"\n`,
);

test('a setting comes from the command line, the file, the node, the cluster, the default, in this order', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rookery-configuration-'));
  try {
    const file = join(folder, 'rookery.toml');
    await writeFile(file, '[limits]\nrecipients = 7\nimap_idle = "40 min"\nmessage_size = "10 MiB"\n');
    const config = nodeConfig(document, one, { file, overrides: ['limits.imap_idle=50 min'] });
    assert.equal(config.limits.imap_idle, 50 * 60_000);
    assert.equal(config.limits.message_size, 10 * 1024 ** 2);
    assert.equal(config.limits.recipients, 7);
    assert.equal(config.limits.connections, 200);
    assert.equal(config.hostname, 'one.example.org');
    assert.deepEqual(config.listen.imap, [{ address: '10.0.0.1', port: 143 }]);
    assert.equal(config.sub_address_separators, '+-');
    assert.equal(config.limits.pop3_idle, 10 * 60_000);
    const other = nodeConfig(document, two, {});
    assert.equal(other.limits.connections, 100);
    assert.equal(other.limits.message_size, 20 * 1024 ** 2);
    assert.equal(other.hostname, 'localhost');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('lists are replaced whole, and merging leaves the document as it was', () => {
  const lists: ClusterSettings = {
    settings: { proxy_protocol_from: ['10.0.0.1', '10.0.0.2'], log: { level: 'info' } },
    overrides: { one: { proxy_protocol_from: ['10.0.0.9'], log: { format: 'json' } } },
  };
  const kept = structuredClone(lists);
  const merged = nodeDefaults(lists, one);
  assert.deepEqual(merged, {
    proxy_protocol_from: ['10.0.0.9'],
    log: { level: 'info', format: 'json' },
  });
  (merged.proxy_protocol_from as string[]).push('x');
  assert.deepEqual(lists, kept);
  assert.deepEqual(nodeDefaults(lists, 'constructor' as NodeId), lists.settings);
});

test('what is a machine’s own is refused, and every problem is told with its place', () => {
  const check = (source: string) => () => checkClusterSettings(parseClusterSettings(source));
  check(formatClusterSettings(document))();
  assert.throws(check('data = "/x"'), refused('invalidArgument', /^cluster: data: belongs in the node/));
  assert.throws(
    check('[nodes.one]\ndata = "/x"'),
    refused('invalidArgument', /^nodes\.one: data: belongs in the node/),
  );
  assert.throws(
    check('[listen]\nimap = "0.0.0.0:143"'),
    refused('invalidArgument', /cluster: listen: .*own/),
  );
  assert.throws(check('[storage]\nengine = "lmdb"'), refused('invalidArgument', /storage\.engine: /));
  check('[storage]\ncompress = false')();
  assert.throws(check('[nodes.No_Name]\n'), refused('invalidArgument', /nodes\.No_Name: is no name/));
  assert.throws(
    check('[limits]\nmesage_size = 1\nconnections = 0'),
    refused(
      'invalidArgument',
      /cluster: limits\.mesage_size: unknown key; did you mean "message_size"\?/,
      /cluster: limits\.connections: expected at least 1/,
    ),
  );
  // Right for all, but not with what one node has otherwise.
  assert.throws(
    check('[limits]\nmessage_size = "100 MiB"\n[nodes.one.limits]\nintake_memory = "150 MiB"'),
    refused('invalidArgument', /^nodes\.one: limits\.intake_memory: must be at least twice/),
  );
  assert.throws(() => parseClusterSettings('a = ['), refused('invalidArgument', /not valid TOML/));
  assert.throws(() => parseClusterSettings('nodes = 1'), refused('invalidArgument', /\[nodes\.NAME\]/));
});

test('a difference names node, key, before and after', () => {
  const next = parseClusterSettings(
    '[limits]\nmessage_size = "30 MiB"\nrecipients = 5\n[nodes.two]\nhostname = "two.example.org"\n',
  );
  assert.deepEqual(diffClusterSettings(document, document), []);
  assert.deepEqual(diffClusterSettings(document, next), [
    { key: 'limits.connections', before: 100, after: undefined },
    { key: 'limits.message_size', before: '20 MiB', after: '30 MiB' },
    { key: 'limits.recipients', before: undefined, after: 5 },
    { key: 'sub_address_separators', before: '+-', after: undefined },
    { node: 'one', key: 'hostname', before: 'one.example.org', after: undefined },
    { node: 'one', key: 'limits.connections', before: 200, after: undefined },
    { node: 'one', key: 'listen.imap', before: '10.0.0.1:143', after: undefined },
    { node: 'two', key: 'hostname', before: undefined, after: 'two.example.org' },
  ]);
  assert.deepEqual(parseClusterSettings(formatClusterSettings(document)), document);
});

const withLimit = (connections: number): ClusterSettings => ({
  settings: { limits: { connections } },
  overrides: {},
});

test('versions rise, of two changes from one version one is refused, and a rollback is a new version', async () => {
  const store = new ClusterConfigurationStore(openMemoryEngine(), systemClock);
  assert.equal((await store.current()).version, 0);
  const first = await store.apply(withLimit(1), { version: 0, changedBy: 'socket', comment: 'first' });
  assert.deepEqual(await store.current(), first);
  const both = await Promise.allSettled([
    store.apply(withLimit(2), { version: 1, changedBy: 'ann' }),
    store.apply(withLimit(3), { version: 1, changedBy: 'ben' }),
  ]);
  assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  const late = store.apply(withLimit(4), { version: 0, changedBy: 'ann' });
  await assert.rejects(late, refused('conflict', /version 2 now/));
  const wrong = store.apply(withLimit(0), { version: 2, changedBy: 'ann' });
  await assert.rejects(wrong, refused('invalidArgument', /limits\.connections/));
  const back = await store.rollback(1, { version: 2, changedBy: 'ann' });
  assert.deepEqual(
    [back.version, back.settings, back.comment],
    [3, { limits: { connections: 1 } }, 'back to version 1'],
  );
  const history = await store.history();
  assert.deepEqual(
    history.map(({ version, changedBy }) => [version, changedBy]),
    [
      [3, 'ann'],
      [2, both[0]!.status === 'fulfilled' ? 'ann' : 'ben'],
      [1, 'socket'],
    ],
  );
  await assert.rejects(store.rollback(9, { version: 3, changedBy: 'ann' }), refused('invalidArgument'));
  const none = await store.rollback(0, { version: 3, changedBy: 'ann' });
  assert.deepEqual([none.version, none.settings, none.comment], [4, {}, 'back to version 0']);
});

test('the last hundred versions are kept', async () => {
  const store = new ClusterConfigurationStore(openMemoryEngine(), systemClock);
  for (let version = 0; version < configurationVersionsMax + 5; version++)
    await store.apply(withLimit(version + 1), { version, changedBy: 'ann' });
  const history = await store.history();
  assert.equal(history.length, configurationVersionsMax);
  assert.deepEqual([history[0]!.version, history.at(-1)!.version], [configurationVersionsMax + 5, 6]);
});

test('a running node takes a new version over, also one that came before it listened or failed', async () => {
  const engine = openMemoryEngine();
  const store = new ClusterConfigurationStore(engine, systemClock);
  await store.apply(withLimit(1), { version: 0, changedBy: 'ann' });
  const seen: number[] = [];
  let wake = (): void => {};
  const until = async (version: number): Promise<void> => {
    while (seen.at(-1) !== version)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  const watch = store.watch({
    seen: 0,
    log: silentLog,
    changed: ({ version }) => {
      seen.push(version);
      wake();
      if (version === 2) throw new Error('not this one');
    },
  });
  await until(1);
  await store.apply(withLimit(2), { version: 1, changedBy: 'ann' });
  await until(2);
  await store.apply(withLimit(3), { version: 2, changedBy: 'ann' });
  await until(3);
  watch[Symbol.dispose]();
  await store.apply(withLimit(4), { version: 3, changedBy: 'ann' });
  await systemClock.nextTurn();
  assert.deepEqual(seen, [1, 2, 3]);
});
