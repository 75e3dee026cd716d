// rookery cluster … and rookery balancer … against the admin API of nodes of a cluster: what they print, with and without
// --json, how they end, and that what they say is so.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { exitCodes } from '../../src/operator/exit-codes.ts';
import { type AdminServer, openAdminServer } from '../../src/speakers/http/admin/admin-server.ts';
import {
  adminDependencies,
  type ClusterSite,
  enroll,
  openClusterSite,
  whenHosting,
} from '../cluster-site.ts';
import { type Ended, makeTemporaryFolder, type RunOptions, type TemporaryFolder } from '../run-program.ts';
import { rookeryCommand, runRookery } from '../server-process.ts';

describe('the command line of a cluster', () => {
  let site: ClusterSite;
  let folder: TemporaryFolder;
  const servers: AdminServer[] = [];
  before(async () => {
    site = await openClusterSite([{ name: 'a' }, { name: 'b' }]);
    for (const { member } of site.nodes) await whenHosting(member, 'b', 128);
    await site.directory.addAccount({ address: 'ada@example.test', password: undefined });
    folder = await makeTemporaryFolder();
    const outside = adminDependencies(site.nodes[0]!.dependencies, undefined);
    const all = [...site.nodes.map(({ dependencies }) => dependencies), outside];
    for (const [index, name] of ['a', 'b', 'alone'].entries()) {
      await mkdir(folder.at(name));
      const socketPath = folder.at(name, 'admin.sock');
      servers.push(await openAdminServer({ dependencies: all[index]!, listen: [], socketPath }));
    }
  });
  after(async () => {
    for (const server of servers) await server.close();
    await site[Symbol.asyncDispose]();
    await folder.remove();
  });

  const run = (node: string, line: string, options?: RunOptions): Promise<Ended> =>
    runRookery(['--data', folder.at(node), ...line.split(' ')], options);
  const prints = async (node: string, line: string, options?: RunOptions): Promise<string> => {
    const { code, stdout, stderr } = await run(node, line, options);
    assert.equal(code, 0, `${line}\n${stdout}${stderr}`);
    return stdout;
  };
  const fails = async (node: string, line: string, code: number, telling: RegExp): Promise<Ended> => {
    const ended = await run(node, line);
    assert.equal(ended.code, code, `${line}\n${ended.stdout}${ended.stderr}`);
    assert.match(ended.stderr, telling);
    return ended;
  };

  test('status, who and shards', async () => {
    const text = await prints('b', 'cluster status');
    assert.match(text, /^cluster [a-z2-7]{16}, cell main, as node b sees it$/m);
    assert.match(text, /^shards 256: 0 without a host, 0 moving$/m);
    assert.match(text, /^a +active +all +inner +100 +128 +\d +\d +\d +\d\.\d s +0\.1\.0 +10\.0\.0\.1:2433$/m);
    const status = JSON.parse(await prints('a', '--json cluster status'));
    assert.deepEqual([status.node, status.nodes.length, status.shards.total], ['a', 2, 256]);
    const who = await prints('a', 'cluster who ada@example.test');
    assert.match(who, /^cell: +main$/m);
    assert.match(who, /^node: +[ab]$/m);
    assert.match(who, /^openSessions: +[ab]: 4 imap$/m);
    assert.match(who, /^link: +10\.0\.0\.[12]:2433$/m);
    await fails('a', 'cluster who bob@example.test', exitCodes.notFound, /no account bob@example\.test/);
    const shards = JSON.parse(await prints('a', '--json cluster shards --node b'));
    assert.equal(shards.length, 128);
  });

  test('status --watch shows it again and again, one object a line with --json, until it is told to end', async () => {
    const args = [rookeryCommand, '--data', folder.at('a'), '--json', 'cluster', 'status', '--watch'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let told = '';
    for await (const chunk of child.stdout) {
      told += chunk;
      if (told.split('\n').length > 2) child.kill('SIGINT');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    assert.deepEqual([child.exitCode, child.signalCode], [0, null]);
    const nodes = told
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).nodes.length);
    assert.ok(nodes.length >= 2 && nodes.every((count) => count === 2), told);
    await fails('nowhere', 'cluster status --watch', exitCodes.unreachable, /cannot reach the server/);
  });

  test('drain --wait comes back when the node hosts nothing', async () => {
    assert.equal(await prints('a', 'cluster drain b --wait'), 'b hosts nothing any more\n');
    assert.ok(site.nodes[1]!.administration.isDraining());
    await fails('a', 'cluster drain a', exitCodes.failure, /no other node can take the shards of a; add one/);
    await fails('a', 'cluster drain nobody', exitCodes.notFound, /`rookery cluster status` shows/);
    await fails('a', 'cluster drain b --wait soon', exitCodes.usage, /expected a duration/);
    await fails(
      'a',
      'cluster move-shard 5 b',
      exitCodes.failure,
      /b is no node that takes shards: it is draining/,
    );
    assert.equal(await prints('a', 'cluster shards --node b'), '(none)\n');
    await fails('a', 'cluster shards --node nobody', exitCodes.notFound, /there is no node nobody; /);
    assert.equal(await prints('a', 'cluster undrain b'), 'b is active\n');
    await whenHosting(site.nodes[0]!.member, 'b', 128);
  });

  test('move-shard and rebalance', async () => {
    const moved = await prints('a', 'cluster move-shard 5 b');
    assert.match(moved, /^shard 5 (moves from a to b|is at b and stays there)\n$/);
    assert.equal(await prints('a', 'cluster rebalance --dry-run'), '(none)\nthe load is even\n');
    assert.deepEqual(JSON.parse(await prints('a', '--json cluster rebalance')), []);
    const { administration, member } = site.nodes[0]!;
    for (let shard = 0; shard < 256; shard++) await administration.moveShard(shard, 'a');
    await whenHosting(member, 'b', 0);
    const planned = await prints('a', 'cluster rebalance --dry-run');
    assert.match(planned, /^SHARD +FROM +TO\n(\d+ +a +b\n){128}128 shards would move\n$/);
    assert.equal(await prints('a', 'cluster shards --node b'), '(none)\n', 'it was only said');
    assert.match(await prints('a', 'cluster rebalance'), /^SHARD[\s\S]*\n128 shards move\n$/);
    await whenHosting(member, 'b', 128);
    await fails('a', 'cluster move-shard five b', exitCodes.usage, /expected a number/);
    await fails('a', 'cluster move-shard 256 b', exitCodes.notFound, /numbered 0 to 255/);
  });

  test('token prints what to type on the new machine', async () => {
    const text = await prints(
      'a',
      'cluster token --role frontend --role mx --zone outer --expires 2h --uses 3',
    );
    assert.match(
      text,
      /^rookery-join-1\.\S+\n\nFor 3 machines in zone outer \(frontend, mx\), until \S+Z\. There:\n/,
    );
    assert.match(text, /^ {2}rookery serve --join rookery-join-1\.\S+@10\.0\.0\.1:2434\n$/m);
    const inner = await prints('a', 'cluster token --role mx --zone outter');
    assert.match(
      inner,
      /^For one machine in zone outter \(mx\), which will be told how to reach the database, /m,
    );
    const [mistyped] = JSON.parse(await prints('b', '--json cluster token list')).filter(
      ({ zone }: { zone: string }) => zone === 'outter',
    );
    await prints('a', `cluster token remove ${mistyped.id}`);
    const tokens = JSON.parse(await prints('b', '--json cluster token list'));
    assert.deepEqual([tokens.length, tokens[0].usesLeft, tokens[0].zone], [1, 3, 'outer']);
    assert.equal(
      await prints('b', `cluster token remove ${tokens[0].id}`),
      `revoked join token ${tokens[0].id}\n`,
    );
    assert.equal(await prints('a', 'cluster token list'), '(none)\n');
    await fails('a', 'cluster token remove x', exitCodes.notFound, /no join token x/);
    await fails('a', 'cluster token --zone outer', exitCodes.failure, /the outer zone has none/);
  });

  test('config: get, diff, apply, history and rollback; an overtaken text is refused', async () => {
    const first = await prints('a', 'cluster config get');
    assert.equal(first, "# version 0 of the cluster's configuration, nothing was applied yet\n");
    const mine = folder.at('mine.toml');
    await writeFile(mine, `${first}[limits]\nrecipients = 50\n[nodes.b.limits]\nrecipients = 70\n`);
    const changes = '+ limits.recipients = 50\n+ nodes.b.limits.recipients = 70\n';
    assert.equal(await prints('a', `cluster config diff ${mine}`), changes);
    const applied = await prints('a', `cluster config apply ${mine} --comment fewer`);
    assert.equal(applied, `${changes}applied as version 1\n`);
    assert.match(
      await prints('b', 'cluster config get'),
      /^# version 1 of .* by socket: fewer\n\[limits\]\nrecipients = 50\n/,
    );
    const again = { input: '[limits]\nrecipients = 51\n' };
    assert.equal(
      await prints('b', 'cluster config apply -', again),
      '~ limits.recipients = 50 -> 51\n- nodes.b.limits.recipients = 70\napplied as version 2\n',
    );
    const late = await fails(
      'a',
      `cluster config apply ${mine}`,
      exitCodes.failure,
      /made from version 0, version 2 holds now/,
    );
    assert.equal(late.stdout, '~ limits.recipients = 51 -> 50\n+ nodes.b.limits.recipients = 70\n');
    const rolled = await prints('a', 'cluster config rollback 1 --comment again');
    assert.match(rolled, /^~ limits\.recipients = 51 -> 50\n.*\napplied as version 3\n$/);
    const history = await prints('a', 'cluster config history');
    assert.match(
      history,
      /^VERSION +CHANGED +CHANGED BY +COMMENT\n3 +\S+Z +socket +again\n2 +\S+Z +socket\n1 +\S+Z +socket +fewer\n$/,
    );
    const before = await prints('a', 'cluster config rollback 0');
    assert.match(before, /^- limits\.recipients = 50\n.*\napplied as version 4\n$/);
    await prints('a', 'cluster config rollback 3');
    const same = JSON.parse(await prints('a', `--json cluster config apply ${mine}`));
    assert.equal(same.version, 5, 'nothing changes, nothing is applied or refused');
    assert.match(
      await prints('a', 'cluster config get 2'),
      /^# version 2 of .*\n\[limits\]\nrecipients = 51\n$/,
    );
  });

  test('config: what is wrong is told with where it is', async () => {
    const wrong = folder.at('wrong.toml');
    await writeFile(wrong, 'limits = [');
    await fails(
      'a',
      `cluster config apply ${wrong}`,
      exitCodes.configuration,
      /wrong\.toml: the configuration is not valid TOML/,
    );
    await fails(
      'a',
      'cluster config diff /nowhere.toml',
      exitCodes.configuration,
      /cannot read \/nowhere\.toml/,
    );
    await writeFile(wrong, `data = "/x"\n${await prints('a', 'cluster config get')}`);
    const refused = await fails(
      'a',
      `cluster config apply ${wrong}`,
      exitCodes.failure,
      /data: belongs in the node’s own/,
    );
    assert.equal(refused.stdout, '+ data = "/x"\n');
    const seen = await fails(
      'a',
      `cluster config diff ${wrong}`,
      exitCodes.configuration,
      /wrong\.toml: .*data: belongs in the node’s own/,
    );
    assert.equal(seen.stdout, '+ data = "/x"\n');
    const mistyped = await run('a', 'cluster config set limits.recipients 60 --node bb');
    assert.equal(mistyped.code, 0, mistyped.stderr);
    assert.match(mistyped.stderr, /^rookery: there is no node bb so far; /);
    const undone = await run('a', 'cluster config unset limits.recipients --node bb');
    assert.deepEqual([undone.code, undone.stderr], [0, '']);
  });

  test('the balancers’ configurations come from the live cluster', async () => {
    const haproxy = await prints('a', 'balancer haproxy');
    assert.match(haproxy, /server b 10\.0\.0\.2:993/);
    assert.match(haproxy, /HAProxy for mail\.example\.test: 2 nodes/);
    const dns = await prints('b', 'balancer dns --ttl 60');
    assert.match(dns, /10\.0\.0\.1/);
    assert.match(dns, /example\.test\./);
  });

  test('a server that is no node says what to do', async () => {
    for (const line of [
      'cluster status',
      'cluster drain a',
      'cluster token',
      'cluster config get',
      'balancer haproxy',
    ])
      await fails('alone', line, exitCodes.failure, /not part of a cluster.*`rookery cluster init`/);
  });

  test('remove takes a node out; admit lets its name in again', async () => {
    assert.match(await prints('a', 'cluster remove b'), /^b is on its way out: \d+ shards go to other nodes/);
    await site.nodes[1]!.removed;
    assert.match(await prints('b', 'cluster status'), /^b +removed /m);
    await fails('a', 'cluster drain b', exitCodes.failure, /b was removed: it hosts nothing/);
    assert.match(await prints('a', 'cluster admit b'), /^b may join again; rookery cluster token/);
    await enroll(site.authority, 'c');
    assert.equal(await prints('a', 'cluster remove c'), 'c had joined and never served; its name is free\n');
    await fails('a', 'cluster remove nobody', exitCodes.notFound, /no node nobody/);
  });
});
