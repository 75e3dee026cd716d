// Debian's Postfix in front of Dovecot's LMTP, for the smtp workload: its defaults, its own queue directory on the same disk.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../test/free-port.ts';
import type { BenchTarget } from '../target.ts';
import { orStopped, portAnswers, start } from './processes.ts';

/** Gives the target an smtp port that Postfix answers; `stop` ends both. */
export async function withPostfix(directory: string, behind: BenchTarget): Promise<BenchTarget> {
  const transport = `lmtp:inet:127.0.0.1:${behind.ports.lmtp}`;
  const postfix = await orStopped(
    () => startPostfix(directory, behind.domain, transport),
    () => behind.stop(),
  );
  return {
    ...behind,
    name: `postfix + ${behind.name}`,
    ports: { ...behind.ports, smtp: postfix.port },
    stop: async () => {
      await postfix.stop();
      await behind.stop();
    },
  };
}

export interface RunningPostfix {
  readonly port: number;
  /** What it has logged so far. */
  log(): string;
  stop(): Promise<void>;
}

/** A Postfix of its own that takes mail for `domain` and hands it to `transport` (transport(5)). */
export async function startPostfix(
  directory: string,
  domain: string,
  transport: string,
): Promise<RunningPostfix> {
  const root = mkdtempSync(join(directory, 'postfix-'));
  const etc = join(root, 'etc');
  const logFile = join(root, 'postfix.log');
  mkdirSync(etc);
  for (const name of ['queue', 'data']) mkdirSync(join(root, name), { mode: 0o755 });
  execFileSync('chown', ['postfix', join(root, 'data')]);
  execFileSync('chmod', ['755', root]);
  const port = await freePort();
  cpSync('/etc/postfix/dynamicmaps.cf', join(etc, 'dynamicmaps.cf'), { errorOnExist: false, force: true });
  // Not in a chroot: the chroot would need copies of system files that Debian makes only for its own instance.
  const master = readFileSync('/usr/share/postfix/master.cf.dist', 'utf8')
    .replace(/^smtp {6}inet.*$/m, `127.0.0.1:${port} inet n - n - - smtpd`)
    .replaceAll(/^(\S+\s+\S+\s+\S+\s+\S+\s+)y/gm, '$1n');
  writeFileSync(join(etc, 'master.cf'), master);
  writeFileSync(
    join(etc, 'main.cf'),
    `compatibility_level = 3.6
queue_directory = ${join(root, 'queue')}
data_directory = ${join(root, 'data')}
maillog_file = ${logFile}
maillog_file_prefixes = ${directory}, /var, /dev/stdout
myhostname = mx.bench.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
relay_domains =
virtual_mailbox_domains = ${domain}
virtual_mailbox_maps = static:ok
virtual_transport = ${transport}
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
alias_maps =
alias_database =
`,
  );
  execFileSync('/usr/sbin/postfix', ['-c', etc, 'check'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const child = start('/usr/sbin/postfix', ['-c', etc, 'start']);
  const stop = async (): Promise<void> => {
    spawnSync('/usr/sbin/postfix', ['-c', etc, 'stop'], { stdio: 'ignore' }); // fails when it does not run
    rmSync(root, { recursive: true, force: true });
  };
  await orStopped(() => portAnswers(port, child), stop);
  return { port, log: () => readFileSync(logFile, 'utf8'), stop };
}
