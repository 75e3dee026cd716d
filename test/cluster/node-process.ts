// One node of a cluster under test: its name, its loopback address, its data directory, and the process that runs it now,
// if one does. It keeps its data directory over restarts, as a machine does.

import assert from 'node:assert/strict';
import { type ListenerName, ServerProcess } from '../server-process.ts';
import { LinkRelay } from './link-relay.ts';

export interface NodePlan {
  readonly name: string;
  readonly host: string;
  readonly data: string;
  readonly settings: readonly string[];
  /** TOKEN@HOST:PORT; the first node needs none. */
  readonly join?: () => Promise<string>;
  /** The nodes that may call it; with them there is a relay before its link listener. */
  readonly callers?: () => readonly NodeProcess[];
  /** Over restarts, as a machine does: its address is nobody else's. */
  readonly keepsPorts?: boolean;
  /** See ServerOptions. */
  readonly within?: readonly string[];
}

export class NodeProcess {
  readonly name: string;
  readonly host: string;
  readonly #plan: NodePlan;
  #relay: LinkRelay | undefined;
  #server: ServerProcess | undefined;
  #ports: ServerProcess['ports'] | undefined;
  #isFrozen = false;
  #isLeaving = false;

  constructor(plan: NodePlan) {
    this.name = plan.name;
    this.host = plan.host;
    this.#plan = plan;
  }

  get server(): ServerProcess {
    assert.ok(this.#server !== undefined, `${this.name} does not run`);
    return this.#server;
  }

  get relay(): LinkRelay {
    assert.ok(this.#relay !== undefined, `${this.name} has no relay`);
    return this.#relay;
  }

  get isRunning(): boolean {
    return this.#server !== undefined;
  }

  /** Takes clients: runs, is not frozen and not on its way out. */
  get isUp(): boolean {
    return this.#server !== undefined && !this.#isFrozen && !this.#isLeaving;
  }

  /** Mail clients can connect to it. */
  get takesMail(): boolean {
    return this.isUp && 'imap' in this.server.ports;
  }

  port(name: ListenerName): number {
    return this.server.ports[name];
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    assert.ok(!this.isRunning, `${this.name} runs`);
    const { name, host, data, settings, join, callers, keepsPorts = false, within = [] } = this.#plan;
    if (callers !== undefined) {
      const pids = (): number[] => callers().flatMap((node) => (node.isRunning ? [node.server.pid] : []));
      this.#relay ??= await LinkRelay.open(host, pids);
    }
    const relayed = this.#relay === undefined ? [] : [`cluster.address=${this.#relay.address}`];
    const kept = Object.entries(this.#ports ?? {}).map(
      ([listener, port]) => `listen.${listener}=${host}:${port}`,
    );
    const server = await ServerProcess.start({
      data,
      address: host,
      settings: [...kept, ...settings, ...relayed],
      args: join === undefined ? [] : ['--join', await join(), '--node', name],
      within,
    });
    if (this.#relay !== undefined) this.#relay.target = { host, port: server.ports.link };
    this.#isFrozen = false;
    this.#isLeaving = false;
    this.#server = server;
    if (keepsPorts) this.#ports = server.ports;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    const server = this.server;
    this.#server = undefined;
    if (this.#relay !== undefined) this.#relay.target = undefined;
    await server[Symbol.asyncDispose]();
  }

  /** SIGTERM: it ends in time, with 0, and without errors in its log but those that the test has provoked. */
  async terminate(provoked: readonly RegExp[] = []): Promise<void> {
    const server = this.server;
    this.#isLeaving = true;
    await server.stop(provoked);
    this.#server = undefined;
    if (this.#relay !== undefined) this.#relay.target = undefined;
  }

  /** SIGSTOP. */
  freeze(): void {
    this.#isFrozen = true;
    this.server.signal('SIGSTOP');
  }

  thaw(): void {
    this.server.signal('SIGCONT');
    this.#isFrozen = false;
  }

  async end(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.[Symbol.asyncDispose]();
    this.#relay?.close();
  }
}
