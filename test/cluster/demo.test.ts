// The demonstration as a visitor uses it: started with one command, its lines copied and run. Mail sent through HAProxy is
// there after the node that hosts it was killed; the node comes back; Ctrl-C ends every process and removes every file.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '../../scripts/source-files.ts';
import { loopbackNetwork } from '../loopback-network.ts';
import { missingPostgres } from '../postgres-server.ts';
import { missingPrograms, runProgram, runWell } from '../run-program.ts';

process.env.PATH += ':/usr/sbin:/sbin';
const skip = missingPostgres() || missingPrograms('haproxy', 'curl');

class Demonstration {
  readonly #child: ChildProcess;
  readonly ended: Promise<unknown>;
  #text = '';
  #wake: (() => void)[] = [];

  constructor() {
    this.#child = spawn('npm', ['run', 'demo:cluster', '--', '--network', loopbackNetwork()], {
      cwd: projectRoot,
      stdio: ['ignore', 'pipe', 'pipe'], // no keyboard
      detached: true,
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => this.#take(text));
    this.ended = once(this.#child, 'close').then(([code]) => {
      this.#take('\n(ended)\n');
      return code;
    });
  }

  /** What it printed from `since` on, once that matches. */
  async printed(pattern: RegExp, since = 0): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#text.slice(since));
      if (match !== null) return match;
      assert.ok(!this.#text.includes('(ended)'), `it ended before it printed ${pattern}:\n${this.#text}`);
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
      });
    }
  }

  get length(): number {
    return this.#text.length;
  }

  /** Ctrl-C in a terminal goes to every process of the group. */
  pressControlC(): void {
    process.kill(-this.#child.pid!, 'SIGINT');
  }

  killGroup(): void {
    if (this.#child.exitCode === null) process.kill(-this.#child.pid!, 'SIGTERM');
  }

  #take(text: string): void {
    this.#text += text;
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** Processes whose command line names something in this folder. */
function processesOf(folder: string): string[] {
  const commands = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(join('/proc', pid, 'cmdline'), 'utf8').replaceAll('\0', ' ');
      } catch {
        return ''; // ended meanwhile
      }
    });
  return commands.filter((command) => command.includes(folder));
}

test('npm run demo:cluster: a port that is taken is told, with the way out', { skip }, async () => {
  const network = loopbackNetwork();
  const taken = createServer().listen(2143, `${network}.1`);
  await once(taken, 'listening');
  try {
    const ended = await runProgram(process.execPath, ['scripts/demo-cluster.ts', '--network', network], {
      cwd: projectRoot,
    });
    assert.deepEqual([ended.code, ended.stdout], [1, '']);
    assert.equal(
      ended.stderr,
      `demo:cluster: port 2143 of ${network}.1 cannot be had: end what has it (perhaps \`npm start\`), or choose other addresses: --network 127.0.5\n`,
    );
  } finally {
    taken.close();
  }
});

test('npm run demo:cluster: mail sent through HAProxy outlives the node that hosted it', {
  skip,
}, async (t) => {
  const demonstration = new Demonstration();
  t.after(() => demonstration.killGroup());
  const lineOf = async (name: string): Promise<string> =>
    (await demonstration.printed(new RegExp(`^${name}  (.*)$`, 'm')))[1]!;
  const shell = (line: string) => runWell('bash', ['-c', line], { cwd: projectRoot });
  const [, folder] = await demonstration.printed(/configurations: (\S+)/);
  const [send, read] = [await lineOf('send'), await lineOf('read')];
  await demonstration.printed(/^node three .*kill -9/m);

  await shell(send);
  assert.match((await shell(read)).stdout, /Subject: hello\r?\n[\s\S]*It works\./);

  const data = join(folder!, 'one');
  const who = await shell(`node bin/rookery.js --data ${data} --json cluster who bob@example.test`);
  const { node: host } = JSON.parse(who.stdout) as { node: string };
  const [, kill] = await demonstration.printed(new RegExp(`^node ${host} +(kill -9 \\d+)`, 'm'));
  const killedAt = demonstration.length;
  // What connects to it while it dies is cut; once it is gone HAProxy tries the next node.
  await shell(`${kill!}; while kill -0 ${kill!.split(' ').at(-1)} 2> /dev/null; do sleep 0.05; done`);
  // At once: while nobody hosts the account yet, the other nodes wait for it.
  assert.match((await shell(read)).stdout, /It works\./);
  await demonstration.printed(new RegExp(`^${host} +dead`, 'm'), killedAt);

  const deadAt = demonstration.length;
  const pattern = new RegExp(`^node ${host} +is not running: (kill -USR2 \\d+) starts it again$`, 'm');
  const [, startAgain] = await demonstration.printed(pattern, killedAt);
  await shell(startAgain!);
  await demonstration.printed(new RegExp(`^${host} +active`, 'm'), deadAt);
  await shell(send);

  assert.ok(processesOf(folder!).length >= 4, 'three nodes and HAProxy');
  demonstration.pressControlC();
  const [, acknowledged, found] = await demonstration.printed(/(\d+) messages acknowledged, (\d+) found/);
  assert.ok(Number(acknowledged) > 0);
  assert.ok(Number(found) >= Number(acknowledged), `${acknowledged} acknowledged, ${found} found`);
  assert.equal(await demonstration.ended, 0);
  assert.ok(!existsSync(folder!));
  assert.deepEqual(processesOf(folder!), []);
});
