// Sessions whose accounts another node hosts, when that one is killed, drained or stopped in the middle of what they do: they
// go on without reconnecting, their views are exact, and what was on its way arrives once. On a node that hosts accounts
// itself, and on a frontend of the outer zone, which has no store.
// (PROMISES 2, 33, 63, 76, 100; the "What a client sees".)

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { missingPostgres } from '../postgres-server.ts';
import { makeTemporaryFolder, type TemporaryFolder } from '../run-program.ts';
import type { Place } from './client-sessions.ts';
import { ClusterProcesses } from './cluster-processes.ts';
import type { NodeProcess } from './node-process.ts';
import { startOuterNode } from './outer-node.ts';
import { scenarios } from './session-scenarios.ts';

const kinds = ['member', 'outer'] as const;
const names = Object.keys(scenarios).flatMap((name) => kinds.map((kind) => ({ name, kind })));
const userOf = ({ name, kind }: (typeof names)[number]): string => `${name.toLowerCase()}.${kind}`;
const users = [...names.map(userOf), 'neighbour'];

/** Far above every time the cluster promises, on a loaded machine too. */
const goOnMsMax = 120_000;

/** Else one session that does not go on would hide what became of the others. */
async function inTime(work: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = systemClock.after(goOnMsMax, () => late.reject(new Error('it does not go on')));
  try {
    await Promise.race([work, late.promise]);
  } finally {
    timer.cancel();
  }
}

suite('sessions whose host goes', { skip: missingPostgres() }, () => {
  let cluster: ClusterProcesses;
  let folder: TemporaryFolder;
  let outer: NodeProcess;

  before(async () => {
    cluster = await ClusterProcesses.start({ users });
    folder = await makeTemporaryFolder();
    outer = await startOuterNode(cluster, { name: 'outer', host: '127.0.0.9', data: folder.at('outer') });
  });
  after(async () => {
    try {
      await outer?.terminate();
      await cluster?.stop();
    } finally {
      await outer?.end();
      await cluster?.[Symbol.asyncDispose]();
      await folder?.remove();
    }
  });

  async function goOnWhile(hit: (host: NodeProcess) => Promise<void>): Promise<void> {
    const [member, host, far] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess];
    await cluster.place(users, host);
    const goOn = await Promise.all(
      names.map((each) => {
        const near = each.kind === 'outer' ? outer : member;
        const place: Place = { near, far, user: userOf(each), neighbour: 'neighbour' };
        return scenarios[each.name]!(place);
      }),
    );
    const hitting = hit(host);
    const ended = await Promise.allSettled(goOn.map((finish) => inTime(finish())));
    await hitting;
    const failures = ended.flatMap((each, index) =>
      each.status === 'rejected' ? [`${userOf(names[index]!)}: ${(each.reason as Error).stack}`] : [],
    );
    assert.deepEqual(failures, []);
  }

  async function backAgain(host: NodeProcess): Promise<void> {
    await host.start();
    await cluster.untilBalanced();
  }

  test('SIGKILL of the host', async () => {
    await goOnWhile((host) => host.kill());
    await backAgain(cluster.nodes[1]!);
  });

  test('drain of the host', async () => {
    await goOnWhile((host) => cluster.drain(host));
    await cluster.undrain(cluster.nodes[1]!);
    await cluster.untilBalanced();
  });

  test('SIGTERM to the host', async () => {
    await goOnWhile((host) => host.terminate());
    await backAgain(cluster.nodes[1]!);
  });
});
