// Networks that only a test sees: its own process in one, others beside it, joined by cables that it lays. Nobody outside
// sees an address or a port of them, and all of it is gone when the last process inside has ended, however that came about.

import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { systemClock } from '../src/base/clock.ts';
import { missingPrograms, runWell } from './run-program.ts';

const insideVariable = 'ROOKERY_TEST_NETWORK';
const unshare = '/usr/bin/unshare';
/** Making a process takes milliseconds, on a loaded machine seconds. */
const openMsMax = 60_000;

/**
 * Puts this process into a network of its own, as the same test run anew: to be called before anything else happens.
 * Returns why it cannot be, for `skip`; false: it is there, with its loopback up.
 */
export function enterOwnNetwork(): string | false {
  if (process.env[insideVariable] !== undefined) {
    run('ip', ['link', 'set', 'lo', 'up']);
    return false;
  }
  const missing = missingNetworks();
  if (missing !== false) return missing;
  const args = ['unshare', '--net', process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const environment = Object.entries({ ...process.env, [insideVariable]: 'own' });
  process.execve!(unshare, args, Object.fromEntries(environment.filter(([, value]) => value !== undefined)));
  throw new Error('the process was not replaced');
}

function missingNetworks(): string | false {
  if (process.getuid?.() !== 0) return 'networks of its own need root';
  const missing = missingPrograms('ip', 'unshare', 'nsenter', 'python3');
  if (missing !== false) return missing;
  try {
    run(unshare, ['--net', 'ip', 'link', 'add', 'probe', 'type', 'bridge']);
    return false;
  } catch (error) {
    return `this system makes no networks: ${(error as Error).message}`;
  }
}

function run(command: string, args: readonly string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Where a cable from another network ends: a switch of this process's network, or of another. */
export interface Switch {
  readonly name: string;
  readonly network: OtherNetwork | undefined;
}

export class OtherNetwork implements AsyncDisposable {
  /** It has no other reason to live than to keep the network. */
  readonly #keeper: ChildProcessByStdio<Writable, null, null>;

  private constructor(keeper: ChildProcessByStdio<Writable, null, null>) {
    this.#keeper = keeper;
  }

  static async open(): Promise<OtherNetwork> {
    const keeper = spawn(unshare, ['--net', 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] });
    const network = new OtherNetwork(keeper);
    const own = readlinkSync('/proc/self/ns/net');
    const deadline = systemClock.monotonic() + openMsMax;
    while (readlinkSync(`/proc/${keeper.pid}/ns/net`) === own) {
      if (systemClock.monotonic() > deadline) throw new Error('there is no network');
      await systemClock.sleep(5);
    }
    network.configure('link set lo up');
    return network;
  }

  /** What runs a command in it. */
  get within(): readonly string[] {
    return ['nsenter', `--net=/proc/${this.#keeper.pid}/ns/net`, '--'];
  }

  /** Lines for `ip`. */
  configure(...lines: readonly string[]): void {
    configure(this, ...lines);
  }

  /** A cable from its interface `name`, which gets the address (with its prefix), to a switch. */
  connect(name: string, address: string, to: Switch): void {
    const end = `${name}${this.#keeper.pid}`;
    const far = to.network === undefined ? [] : ['netns', String(to.network.#keeper.pid)];
    const near = ['netns', String(this.#keeper.pid)];
    run('ip', ['link', 'add', end, ...far, 'type', 'veth', 'peer', 'name', name, ...near]);
    configure(to.network, `link set ${end} master ${to.name} up`);
    this.configure(`addr add ${address} dev ${name}`, `link set ${name} up`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#keeper.exitCode !== null) return;
    this.#keeper.stdin.end();
    await once(this.#keeper, 'exit');
  }
}

/** A switch with these addresses (with their prefixes) in a network; default: this process's. */
export function openSwitch(name: string, addresses: readonly string[], network?: OtherNetwork): Switch {
  configure(
    network,
    `link add ${name} type bridge`,
    ...addresses.map((address) => `addr add ${address} dev ${name}`),
    `link set ${name} up`,
  );
  return { name, network };
}

function configure(network: OtherNetwork | undefined, ...lines: readonly string[]): void {
  for (const line of lines) {
    const [command, ...args] = [...(network?.within ?? []), 'ip', ...line.split(' ')];
    run(command!, args);
  }
}

/** Plain connections to every port there is; what answers with anything but a refusal is named. */
const scanner = `
import socket, sys
for port in range(1, 65536):
    with socket.socket() as probe:
        probe.settimeout(20)
        try:
            probe.connect((sys.argv[1], port))
            print(port)
        except ConnectionRefusedError:
            pass
`;

/** The ports of an address that take connections, as seen from a network. */
export async function openPorts(from: OtherNetwork, address: string): Promise<number[]> {
  const [command, ...args] = [...from.within, 'python3', '-c', scanner, address];
  const { stdout } = await runWell(command!, args);
  return stdout.split('\n').filter(Boolean).map(Number);
}
