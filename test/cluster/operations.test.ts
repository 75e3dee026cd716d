// docs/operations.md, followed from its first line to its last: what its blocks say is done to real processes, and after
// every section the site is as the page says, with all mail that was ever delivered.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createTransport } from 'nodemailer';
import { projectRoot } from '../../scripts/source-files.ts';
import { systemClock } from '../../src/base/clock.ts';
import { missingPostgres } from '../postgres-server.ts';
import { missingPrograms } from '../run-program.ts';
import { parseRunbook } from './runbook.ts';
import { portsFrom, RunbookMachines } from './runbook-machines.ts';

process.env.PATH += ':/usr/sbin:/sbin';
const skip = missingPostgres() || missingPrograms('curl', 'haproxy', 'pg_dump', 'bash');
const page = readFileSync(join(projectRoot, 'docs', 'operations.md'), 'utf8');
const rules = readFileSync(join(projectRoot, 'docs', 'alerts.yaml'), 'utf8');
const account = 'alice@example.org';
/** Of frontends of the outer zone, and of the embedded store: the site that is watched has neither. */
const metricsElsewhere = [
  'rookery_frontend_connected',
  'rookery_frontend_grants',
  'rookery_frontend_links',
  'rookery_storage_room_bytes',
];
/** Far above what any step takes; whoever waits so long has failed. */
const waitMsMax = 60_000;
const pollMs = 100;

interface Status {
  readonly nodes: readonly { readonly node: string; readonly state: string; readonly shards: number }[];
  readonly shards: { readonly unhosted: number; readonly moving: number };
}

interface Check {
  /** What happens to the site before the section is needed. */
  readonly before?: () => Promise<void>;
  /** What the section promises. */
  readonly after: () => Promise<void>;
}

describe('docs/operations.md', { skip }, () => {
  let machines: RunbookMachines;
  let delivered = 0;
  let backedUp = 0;
  /** Each section goes on where the one before left the site. */
  let failedIn: string | undefined;

  before(async () => {
    machines = await RunbookMachines.open();
  });
  after(() => machines?.[Symbol.asyncDispose]());

  async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const deadline = systemClock.monotonic() + waitMsMax;
    let failure: unknown;
    while (systemClock.monotonic() < deadline) {
      try {
        if (await isSo()) return;
      } catch (error) {
        failure = error;
      }
      await systemClock.sleep(pollMs);
    }
    throw new Error(`not so after ${waitMsMax} ms: ${what}`, { cause: failure });
  }

  /** By LMTP to each server that runs, and read through each. */
  async function mailFlows(): Promise<void> {
    for (const machine of machines.running) {
      const transport = createTransport({
        lmtp: true,
        host: machines.addressOf(machine),
        port: portsFrom + 24,
      });
      await transport.sendMail({ from: account, to: account, text: `message ${delivered + 1}\n` });
      delivered++;
    }
    await mailIsThere();
  }

  async function mailIsThere(): Promise<void> {
    assert.ok(machines.running.length > 0);
    for (const machine of machines.running) assert.equal(await messages(machine), delivered, machine);
  }

  async function messages(machine: string): Promise<number> {
    const all = await machines.json<{ name: string; messages: number }[]>(machine, `mailbox list ${account}`);
    return all.find(({ name }) => name === 'INBOX')!.messages;
  }

  /** These nodes, and no others, are up, with equal shares. */
  async function areActive(...names: readonly string[]): Promise<void> {
    assert.deepEqual(machines.running.toSorted(), names.toSorted());
    for (const machine of names)
      await until(`${names.join(', ')} share the accounts`, async () => {
        const { nodes, shards } = await machines.json<Status>(machine, 'cluster status');
        const share = Math.floor(256 / names.length);
        const active = nodes.filter((node) => node.state === 'active' && node.shards >= share);
        const isWhole = shards.unhosted === 0 && shards.moving === 0;
        return (
          isWhole &&
          active
            .map(({ node }) => node)
            .sort()
            .join() === names.toSorted().join()
        );
      });
  }

  async function metricNames(): Promise<Set<string>> {
    const all = new Set<string>();
    for (const machine of machines.running) {
      const text = await machines.shell(
        machine,
        `curl -sf http://${machines.addressOf(machine)}:2080/metrics`,
      );
      for (const [, name] of text.matchAll(/^# TYPE (\S+)/gm)) all.add(name!);
    }
    return all;
  }

  const three = async (): Promise<void> => {
    await areActive('one', 'two', 'three');
    await mailFlows();
  };
  const checks: Readonly<Record<string, Check>> = {
    Installing: { after: async () => assert.deepEqual(machines.running, []) },
    'One machine': { after: mailFlows },
    PostgreSQL: {
      after: () =>
        until('commits wait for the standby', async () => {
          const rows = await machines.postgres('pg1').query('SELECT sync_state FROM pg_stat_replication');
          return rows[0]?.sync_state === 'quorum';
        }),
    },
    'From one machine to three': { after: three },
    'What all nodes are configured with': {
      after: async () => {
        const history = await machines.json<{ version: number; comment: string }[]>(
          'one',
          'cluster config history',
        );
        assert.deepEqual(history.map(({ version, comment }) => [version, comment]).slice(0, 3), [
          [3, '- nodes.two.log.level = "debug"'],
          [2, '+ nodes.two.log.level = "debug"'],
          [1, 'the balancers'],
        ]);
        await three();
      },
    },
    'Asking one node through another': { after: three },
    'A balancer in front': { after: mailFlows },
    'Draining and rebooting': { after: three },
    Upgrading: { after: three },
    Certificates: { after: mailFlows },
    'Replacing a dead machine': {
      before: async () => {
        await machines.lose('three');
        await until('three is known to be dead', async () => {
          const { nodes } = await machines.json<Status>('one', 'cluster status');
          return nodes.some(({ node, state }) => node === 'three' && state === 'dead');
        });
      },
      after: three,
    },
    'Removing a node': {
      after: async () => {
        await areActive('one', 'three');
        await mailFlows();
      },
    },
    'Backing up': {
      after: async () => {
        backedUp = delivered;
        await mailFlows();
      },
    },
    Restoring: {
      after: async () => {
        delivered = backedUp;
        await areActive('one', 'three');
        await mailIsThere();
        await mailFlows();
      },
    },
    'PostgreSQL fails': {
      before: () => machines.postgres('pg1').stop('SIGKILL'),
      after: async () => {
        await areActive('one', 'three');
        await until('mail is there', async () => (await messages('one')) === delivered);
        await mailFlows();
      },
    },
    Watching: {
      after: async () => {
        const names = (await metricNames()).union(new Set(metricsElsewhere));
        const inPage = [...page.matchAll(/`((?:rookery|process)_[a-z0-9_]+)`/g)].map(([, name]) => name!);
        assert.deepEqual([...new Set(inPage)].sort(), [...names].sort(), 'the metrics of the page');
        const inRules = [...rules.matchAll(/\b(?:rookery|process)_[a-z0-9_]+/g)].map(([name]) => name);
        for (const name of inRules)
          assert.ok(names.has(name.replace(/_bucket$/, '')), `${name} of alerts.yaml`);
      },
    },
  };

  for (const { heading, blocks } of parseRunbook(page)) {
    if (blocks.length === 0) continue;
    test(heading, async () => {
      assert.equal(failedIn, undefined, 'what came before did not work');
      failedIn = heading;
      const check = checks[heading];
      assert.ok(check !== undefined, 'a section with commands needs a check');
      await check.before?.();
      for (const block of blocks) await machines.run(block);
      await check.after();
      failedIn = undefined;
    });
  }

  test('every alert is explained, and every explained one is there', () => {
    const alerts = [...rules.matchAll(/^ +- alert: (\w+)$/gm)].map(([, name]) => name!);
    const explained = [...page.matchAll(/^\| `(Rookery\w+)` \|/gm)].map(([, name]) => name!);
    assert.deepEqual(explained, alerts);
  });

  test('what the pages point to is there', () => {
    for (const name of ['operations.md', 'cluster.md']) {
      const text = readFileSync(join(projectRoot, 'docs', name), 'utf8');
      const tests = [...text.matchAll(/`((?:test|src)\/[\w/.-]+\.ts)`/g)].map(([, path]) => path!);
      const pages = [...text.matchAll(/\]\(([\w.-]+)\)/g)].map(([, path]) => join('docs', path!));
      assert.ok(tests.length > 0 && pages.length > 0);
      for (const path of [...tests, ...pages])
        assert.ok(existsSync(join(projectRoot, path)), `${name}: ${path}`);
    }
  });
});
