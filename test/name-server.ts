// A real name server (NSD) with one zone, on port 53 of an address of its own, and programs whose system asks it and no
// other: each in a mount namespace with a resolv.conf of its own. Needs root for both. Ended by its process id.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { delimiter } from 'node:path';
import {
  type Ended,
  makeTemporaryFolder,
  missingPrograms,
  runProgram,
  runWell,
  type TemporaryFolder,
} from './run-program.ts';

// Where Debian has nsd, and not on everybody's search path.
process.env.PATH += `${delimiter}/usr/sbin${delimiter}/sbin`;

/** For `skip`. */
export function missingNameServer(): string | false {
  if (process.getuid?.() !== 0) return 'needs root, for port 53 and a resolv.conf of its own';
  return missingPrograms('nsd', 'nsd-checkzone', 'unshare');
}

export interface Zone {
  readonly origin: string;
  /** Without SOA and NS. */
  readonly records: string;
}

export class NameServer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #folder: TemporaryFolder;

  private constructor(child: ChildProcess, folder: TemporaryFolder) {
    this.#child = child;
    this.#folder = folder;
  }

  /** Resolves when it answers; rejects when the zone is not one. */
  static async start(address: string, { origin, records }: Zone): Promise<NameServer> {
    const folder = await makeTemporaryFolder();
    const start = `@ 300 IN SOA ns.${origin}. admin.${origin}. 1 3600 600 86400 300\n@ 300 IN NS ns.${origin}.\n`;
    const place = `ns.${origin}. 300 IN A ${address}\n`;
    await writeFile(folder.at('zone'), `$ORIGIN ${origin}.\n${start}${place}${records}`);
    await runWell('nsd-checkzone', [origin, folder.at('zone')]);
    await writeFile(
      folder.at('nsd.conf'),
      [
        'server:',
        ...[`ip-address: ${address}`, 'username: ""', 'round-robin: yes', 'server-count: 1', 'verbosity: 1'],
        ...[
          `zonesdir: "${folder.path}"`,
          `pidfile: ""`,
          `xfrdfile: ""`,
          `zonelistfile: "${folder.at('zones')}"`,
        ],
        ...['remote-control:', 'control-enable: no', 'zone:', `name: "${origin}"`, 'zonefile: "zone"', ''],
      ].join('\n'),
    );
    await writeFile(folder.at('resolv.conf'), `nameserver ${address}\noptions timeout:2\n`);
    const child = spawn('nsd', ['-d', '-c', folder.at('nsd.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
    const kill = (): boolean => child.kill('SIGTERM');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    await new Promise<void>((resolve, reject) => {
      let log = '';
      child.stderr!.setEncoding('utf8').on('data', (text: string) => {
        log += text;
        if (log.includes('nsd started')) resolve();
      });
      child.once('exit', () => reject(new Error(`NSD ended: ${log}`)));
    });
    return new NameServer(child, folder);
  }

  /** Runs a program to its end; the names it looks up are this server's. */
  run(program: string, args: readonly string[]): Promise<Ended> {
    const mounted = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
    const all = ['--mount', 'sh', '-c', mounted, this.#folder.at('resolv.conf'), program, ...args];
    return runProgram('unshare', all);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) {
      this.#child.kill('SIGTERM');
      await once(this.#child, 'exit');
    }
    await this.#folder.remove();
  }
}
