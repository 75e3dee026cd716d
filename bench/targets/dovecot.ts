// Debian's Dovecot with its defaults, but login and mail processes reused (which makes its logins about five times faster), and
// plain-text passwords in a file, so that hashing is not what is measured.

import { type ChildProcess, execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { exampleCertificate } from '../../src/speakers/kit/test-certificates.ts';
import { freePort } from '../../test/free-port.ts';
import { type BenchTarget, domain, idleUsers, password, users } from '../target.ts';
import { endProcessTree, orStopped, portAnswers, processTree, start } from './processes.ts';

export type DovecotFormat = 'maildir' | 'sdbox';

const accounts = [...users, ...idleUsers];

interface DovecotPlace {
  readonly root: string;
  readonly format: DovecotFormat;
  readonly ports: {
    readonly lmtp: number;
    readonly imap: number;
    readonly imaps: number;
    readonly pop3: number;
  };
}

function configuration({ root, format, ports }: DovecotPlace): string {
  const reused = (name: string): string =>
    `service ${name} {\n  service_count = 0\n  process_limit = 6000\n  client_limit = 5000\n}\n`;
  const listener = (name: string, port: number, more = ''): string =>
    `  inet_listener ${name} {\n    address = 127.0.0.1\n    port = ${port}\n${more}  }\n`;
  const off = (name: string): string => `  inet_listener ${name} {\n    port = 0\n  }\n`;
  return `
base_dir = ${root}/run
state_dir = ${root}/state
log_path = ${root}/dovecot.log
protocols = imap pop3 lmtp
ssl = yes
ssl_cert = <${root}/certificate.pem
ssl_key = <${root}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
default_client_limit = 20000
default_vsz_limit = 1G
mail_max_userip_connections = 0
mail_location = ${format}:${root}/mail/%n
first_valid_uid = 1
mail_uid = mail
mail_gid = mail
auth_cache_size = 10M
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%n ${root}/users
}
userdb {
  driver = static
  args = uid=mail gid=mail home=${root}/mail/%n
}
service imap-login {
  service_count = 0
  process_min_avail = 2
  client_limit = 10000
  process_limit = 4
${listener('imap', ports.imap)}${listener('imaps', ports.imaps, '    ssl = yes\n')}}
service pop3-login {
  service_count = 0
${listener('pop3', ports.pop3)}${off('pop3s')}}
service lmtp {
${listener('lmtp', ports.lmtp)}}
service anvil {
  client_limit = 20000
}
service auth {
  client_limit = 20000
}
${['imap', 'pop3'].map((name) => `service ${name} {\n  service_count = 10000\n  process_min_avail = 4\n  process_limit = 6000\n  client_limit = 1\n}\n`).join('')}
protocol lmtp {
  postmaster_address = postmaster@${domain}
}
${reused('stats').replace('process_limit = 6000', 'process_limit = 1').replace('client_limit = 5000', 'client_limit = 20000')}`;
}

/** Everything but what it writes itself. */
function prepare({ root, format, ports }: DovecotPlace): string {
  for (const name of ['run', 'state', 'mail']) mkdirSync(join(root, name), { recursive: true, mode: 0o777 });
  chmodSync(root, 0o755);
  chmodSync(join(root, 'mail'), 0o777);
  chownSync(join(root, 'mail'), 8, 8); // Debian's fixed uid and gid of "mail"
  writeFileSync(join(root, 'certificate.pem'), exampleCertificate.certificate);
  writeFileSync(join(root, 'key.pem'), exampleCertificate.key);
  writeFileSync(join(root, 'users'), accounts.map((user) => `${user}:{PLAIN}${password}::::::\n`).join(''));
  const file = join(root, 'dovecot.conf');
  writeFileSync(file, configuration({ root, format, ports }));
  return file;
}

/** Opens every INBOX, one after the other, which makes it. Left to the first deliveries, ten of which come at once, Dovecot
 * 2.3's processes make it together: with sdbox two of them wait for each other on dovecot.list.index.log now and then, and the
 * kernel refuses the second ("Panic: … Resource deadlock avoided"), which ends that process and closes its connection. */
function makeInboxes(root: string, file: string): void {
  const names = join(root, 'names');
  writeFileSync(names, accounts.map((user) => `${user}\n`).join(''));
  execFileSync('/usr/bin/doveadm', ['-c', file, 'mailbox', 'status', '-F', names, 'messages', 'INBOX'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** Clients only see a closed connection; why is in the log, which is removed with everything else. */
function tellCrashes(root: string): void {
  const log = join(root, 'dovecot.log');
  const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n') : [];
  for (const line of lines) if (/: (?:Panic|Fatal): /.test(line)) process.stderr.write(`${line}\n`);
}

export async function startDovecot(directory: string, format: DovecotFormat): Promise<BenchTarget> {
  mkdirSync(directory, { recursive: true });
  const root = mkdtempSync(join(directory, `dovecot-${format}-`));
  const ports = {
    lmtp: await freePort(),
    imap: await freePort(),
    imaps: await freePort(),
    pop3: await freePort(),
  };
  const file = prepare({ root, format, ports });
  let child: ChildProcess;
  const run = async (): Promise<void> => {
    child = start('/usr/sbin/dovecot', ['-F', '-c', file]);
    await portAnswers(ports.imap, child);
    await portAnswers(ports.lmtp, child);
  };
  const stop = async (): Promise<void> => {
    await endProcessTree(child);
    tellCrashes(root);
    rmSync(root, { recursive: true, force: true });
  };
  await orStopped(async () => {
    await run();
    makeInboxes(root, file);
  }, stop);
  return {
    name: `dovecot ${format}`,
    ports: { ...ports, smtp: undefined },
    domain,
    password,
    processes: () => ({ front: processTree(child.pid!), behind: [] }),
    restart: async () => {
      await endProcessTree(child);
      await run();
    },
    stop,
  };
}
