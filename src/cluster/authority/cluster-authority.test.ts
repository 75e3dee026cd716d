import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLog } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import type { NodeId } from '../../mail/ids.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import type { LinkCredentials } from '../link-credentials.ts';
import { authorityEntry, authorityKey, decodeAuthority } from './authority-rows.ts';
import { certificateKeyDigest, certifiedNode, makeAuthority, renewalDueAt } from './certificates.ts';
import { createAuthority, openAuthority } from './cluster-authority.ts';
import { loadCredentials, loadJoined, pendingKey, saveJoined } from './credential-files.ts';
import { CredentialKeeper, renewLocally, showLocally } from './credential-keeper.ts';
import { joinCluster, renewCredentials } from './join-cluster.ts';
import { dayMs, openSite, refused, tokenOf } from './testing.ts';

const notOurs = refused('authenticationFailed', /^this server is not of the token's cluster: /);

test('while an authority is being replaced both are accepted, and the first one issues', async () => {
  await using site = await openSite();
  const earlier = await joinCluster(await tokenOf(site), site.at, { node: 'earlier', clock: site.clock });
  const bytes = (await site.engine.get(authorityKey))!;
  const row = decodeAuthority(bytes);
  const { cluster } = row;
  const next = await makeAuthority(cluster, { clock: site.clock, random: systemRandom });
  await site.engine.commit({ puts: [authorityEntry({ ...row, authorities: [next, ...row.authorities] })] });
  const renewed = await renewCredentials(earlier.credentials, site.at, site.clock);
  assert.equal(renewed.authorities.length, 2);
  const certificate = new X509Certificate(renewed.certificate);
  const now = site.clock.now();
  assert.equal(certifiedNode(certificate, [next.certificate], now)!.node, 'earlier');
  assert.equal(certifiedNode(certificate, earlier.credentials.authorities, now), undefined);
  assert.equal(certifiedNode(certificate, renewed.authorities, now)!.node, 'earlier');
});

test('a node renews with its certificate, a forgotten or replaced one does not', async () => {
  await using site = await openSite();
  const token = await tokenOf(site, { uses: 5, zone: 'outer' });
  const { credentials } = await joinCluster(token, site.at, { node: 'edge', clock: site.clock });
  const renewed = await renewCredentials(credentials, site.at, site.clock);
  assert.equal(renewed.node, 'edge');
  assert.notEqual(renewed.key, credentials.key);
  const found = certifiedNode(
    new X509Certificate(renewed.certificate),
    renewed.authorities,
    site.clock.now(),
  );
  assert.deepEqual(found, { node: 'edge', zone: 'outer' });
  const ownerOf = ({ certificate }: LinkCredentials): Promise<string> => {
    const publicKeyDigest = certificateKeyDigest(new X509Certificate(certificate));
    return site.authority.ownerOf({ node: 'edge' as NodeId, publicKeyDigest });
  };
  assert.equal(await ownerOf(credentials), 'itself');
  // The answer was lost: the old certificate asks once more, and what it did not get is of no use.
  const newest = await renewCredentials(credentials, site.at, site.clock);
  await assert.rejects(renewCredentials(renewed, site.at, site.clock), refused('permissionDenied'));
  assert.deepEqual([await ownerOf(renewed), await ownerOf(credentials)], ['another', 'itself']);
  // It is there, and was shown: whoever has the old one has nothing.
  assert.deepEqual([await ownerOf(newest), await ownerOf(credentials)], ['itself', 'another']);
  await assert.rejects(renewCredentials(credentials, site.at, site.clock), refused('permissionDenied'));
  assert.equal(await ownerOf(newest), 'itself');
  await site.authority.forget('edge' as NodeId);
  await assert.rejects(renewCredentials(newest, site.at, site.clock), refused('permissionDenied'));
  assert.equal(await ownerOf(newest), 'nobody');
  const anew = await joinCluster(token, site.at, { node: 'edge', clock: site.clock });
  await assert.rejects(renewCredentials(newest, site.at, site.clock), refused('permissionDenied'));
  assert.deepEqual([await ownerOf(newest), await ownerOf(anew.credentials)], ['another', 'itself']);
  site.clock.moveMs = 91 * dayMs;
  await tokenOf(site);
  // Nobody is trusted for ever: by now the server's own certificate has ended, too.
  await assert.rejects(renewCredentials(newest, site.at, site.clock), notOurs);
});

test('a key that was renewed renews no more, however the new one was shown', async () => {
  await using site = await openSite();
  const token = await tokenOf(site, { uses: 1, zone: 'outer' });
  const { credentials } = await joinCluster(token, site.at, { node: 'edge', clock: site.clock });
  let present = credentials;
  const shows = [
    // By the next renewal, at whichever node.
    () => renewCredentials(present, site.at, site.clock),
    // When it starts, or by a link.
    async () => {
      assert.equal(await showLocally(site.authority, present), 'itself');
      return present;
    },
  ];
  for (const show of shows) {
    const before = present;
    present = await renewCredentials(before, site.at, site.clock);
    present = await show();
    for (let time = 0; time < 2; time++)
      await assert.rejects(renewCredentials(before, site.at, site.clock), refused('permissionDenied'));
    assert.equal(await showLocally(site.authority, before), 'another');
  }
  assert.equal(await showLocally(site.authority, present), 'itself');
});

test('the new key counts as shown also when the store cannot be written at that moment', async () => {
  await using site = await openSite();
  const token = await tokenOf(site, { uses: 1, zone: 'outer' });
  const { credentials } = await joinCluster(token, site.at, { node: 'edge', clock: site.clock });
  const renewed = await renewCredentials(credentials, site.at, site.clock);
  const { commit } = site.engine;
  site.engine.commit = async () => {
    throw new Error('away');
  };
  assert.equal(await showLocally(site.authority, renewed), 'itself');
  site.engine.commit = commit;
  assert.equal(await showLocally(site.authority, credentials), 'itself');
  assert.equal(await showLocally(site.authority, renewed), 'itself');
  assert.equal(await showLocally(site.authority, credentials), 'another');
});

test('credentials are kept for their owner alone, and renewed after two thirds of their life', async () => {
  await using site = await openSite();
  const directory = await mkdtemp(join(tmpdir(), 'rookery-credentials-'));
  try {
    assert.equal(await loadCredentials(directory), undefined);
    const key = await pendingKey(directory);
    assert.equal(await pendingKey(directory), key);
    const joined = await joinCluster(await tokenOf(site), site.at, { node: 'kept', clock: site.clock, key });
    await saveJoined(directory, joined);
    assert.deepEqual(await loadCredentials(directory), joined.credentials);
    const { credentials, ...settings } = joined;
    assert.deepEqual(await loadJoined(directory), settings);
    assert.equal((await stat(join(directory, 'cluster', 'credentials.json'))).mode & 0o777, 0o600);
    assert.notEqual(await pendingKey(directory), key);
    const dueInMs = renewalDueAt(credentials.certificate) - site.clock.now();
    assert.ok(dueInMs > 59 * dayMs && dueInMs < 61 * dayMs);
    site.clock.moveMs = 61 * dayMs;
    const { promise, resolve } = Promise.withResolvers<LinkCredentials>();
    const renew = renewLocally(site.authority);
    const keeping = { directory, credentials, renew, renewed: resolve, clock: site.clock, log: silentLog };
    using keeper = new CredentialKeeper(keeping);
    const renewed = await promise;
    assert.equal(keeper.credentials, renewed);
    assert.notEqual(renewed.certificate, credentials.certificate);
    assert.deepEqual(await loadCredentials(directory), renewed);
    await writeFile(join(directory, 'cluster', 'credentials.json'), '{"node":');
    await assert.rejects(loadCredentials(directory), /is damaged; restore it/);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('a store belongs to one cluster', async () => {
  await using site = await openSite();
  const options = { engine: site.engine, clock: site.clock, random: systemRandom };
  await assert.rejects(createAuthority(options), refused('conflict'));
  assert.equal((await openAuthority(options))!.cluster, site.authority.cluster);
  assert.equal(await openAuthority({ ...options, engine: openMemoryEngine() }), undefined);
});
