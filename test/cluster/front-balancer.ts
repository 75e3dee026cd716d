// HAProxy before a cluster under test, with what `rookery balancer haproxy` prints for it: clients meet one address, as
// an operator's clients do. Its log says what it found out about the nodes, and when.

import { writeFile } from 'node:fs/promises';
import { delimiter } from 'node:path';
import { HaproxyProcess } from '../haproxy-process.ts';
import { makeTemporaryFolder, type TemporaryFolder } from '../run-program.ts';
import type { ListenerName } from '../server-process.ts';
import type { Entrance } from './client-sessions.ts';
import type { NodeProcess } from './node-process.ts';

// Where Debian has haproxy, and not on everybody's search path.
process.env.PATH += `${delimiter}/usr/sbin${delimiter}/sbin`;

/** Not below 1024: the tests need not be root. */
const ports: Readonly<Record<ListenerName | 'health', number>> = {
  mx: 10025,
  submission: 10587,
  submissions: 10465,
  lmtp: 10024,
  imap: 10143,
  imaps: 10993,
  pop3: 10110,
  pop3s: 10995,
  admin: 12080,
  health: 18405,
};

export interface FrontBalancerOptions {
  /** Its own: where it listens, and where it comes from when it reaches the nodes. */
  readonly address: string;
  /** The node that is asked for the configuration. */
  readonly through: NodeProcess;
  /** More arguments of `rookery balancer haproxy`. */
  readonly args?: readonly string[];
}

/** Of nodes behind a balancer at this address. Clients of the tests speak plainly, to see what is said. */
export function settingsBehind(address: string): string[] {
  return [`proxy_protocol_from=["${address}"]`, 'authentication.cleartext=always'];
}

export class FrontBalancer implements Entrance, AsyncDisposable {
  readonly name = 'balancer';
  readonly host: string;
  readonly haproxy: HaproxyProcess;
  readonly #folder: TemporaryFolder;

  private constructor(host: string, parts: { haproxy: HaproxyProcess; folder: TemporaryFolder }) {
    this.host = host;
    this.haproxy = parts.haproxy;
    this.#folder = parts.folder;
  }

  static async start({ address, through, args = [] }: FrontBalancerOptions): Promise<FrontBalancer> {
    const folder = await makeTemporaryFolder();
    const places = Object.entries(ports).flatMap(([name, port]) => ['--port', `${name}=${port}`]);
    const { code, stdout, stderr } = await through.server.rookery([
      ...['balancer', 'haproxy', '--bind', address, '--private-bind', address, '--source', address],
      ...[...places, '--stats-socket', folder.at('stats'), '--log', 'stdout', '--user', 'none'],
      ...['--connections', '2000', ...args],
    ]);
    if (code !== 0) throw new Error(`no configuration for HAProxy: ${stderr}`);
    const file = folder.at('haproxy.cfg');
    await writeFile(file, stdout);
    const haproxy = new HaproxyProcess(file);
    await haproxy.logged(/Loading success/);
    return new FrontBalancer(address, { haproxy, folder });
  }

  port(name: ListenerName | 'health'): number {
    return ports[name];
  }

  /** Resolves once HAProxy has found this out, after what `since` (logLength) gave. */
  async finds(node: NodeProcess, what: 'UP' | 'DOWN', since: number): Promise<void> {
    await this.haproxy.logged(new RegExp(`Server nodes/${node.name} is ${what}`), since);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.haproxy.stop();
    await this.#folder.remove();
  }
}
