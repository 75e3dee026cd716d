// Debian's Dovecot with its defaults, but login and mail processes reused (which makes its logins about five times faster), and
// plain-text passwords in a file, so that hashing is not what is measured.

import type { ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exampleCertificate } from '../../src/speakers/kit/test-certificates.ts';
import { freePort } from '../../test/free-port.ts';
import { type BenchTarget, domain, idleUsers, password, users } from '../target.ts';
import { endProcess, portAnswers, portCloses, processTree, start } from './processes.ts';

export type DovecotFormat = 'maildir' | 'sdbox';

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

export async function startDovecot(directory: string, format: DovecotFormat): Promise<BenchTarget> {
  mkdirSync(directory, { recursive: true });
  const root = mkdtempSync(join(directory, `dovecot-${format}-`));
  for (const name of ['run', 'state', 'mail']) mkdirSync(join(root, name), { recursive: true, mode: 0o777 });
  chmodSync(root, 0o755);
  chmodSync(join(root, 'mail'), 0o777);
  chownSync(join(root, 'mail'), 8, 8); // Debian's fixed uid and gid of "mail"
  const ports = {
    lmtp: await freePort(),
    imap: await freePort(),
    imaps: await freePort(),
    pop3: await freePort(),
  };
  writeFileSync(join(root, 'certificate.pem'), exampleCertificate.certificate);
  writeFileSync(join(root, 'key.pem'), exampleCertificate.key);
  writeFileSync(
    join(root, 'users'),
    [...users, ...idleUsers].map((user) => `${user}:{PLAIN}${password}::::::\n`).join(''),
  );
  const file = join(root, 'dovecot.conf');
  writeFileSync(file, configuration({ root, format, ports }));
  const run = async (): Promise<ChildProcess> => {
    const started = start('/usr/sbin/dovecot', ['-F', '-c', file]);
    await portAnswers(ports.imap, started);
    await portAnswers(ports.lmtp, started);
    return started;
  };
  let child = await run();
  return {
    name: `dovecot ${format}`,
    ports: { ...ports, smtp: undefined },
    domain,
    password,
    processes: () => ({ front: processTree(child.pid!), behind: [] }),
    restart: async () => {
      await endProcess(child);
      await portCloses(ports.imap);
      child = await run();
    },
    stop: async () => {
      await endProcess(child);
      rmSync(root, { recursive: true, force: true });
    },
  };
}
