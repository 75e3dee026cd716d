// What others put in front of mail servers, each in front of one Dovecot: nginx's mail proxy, perdition, and Dovecot's own
// proxy. Deliveries go to the Dovecot behind. Each with its distribution's defaults but for what would hold it back: reverse
// look-ups, limits on connections, and the question who is hosted where, which is always answered the same, at no cost.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../test/free-port.ts';
import type { BenchTarget } from '../target.ts';
import { endProcessTree, orStopped, portAnswers, processTree, start } from './processes.ts';

export type FrontendKind = 'nginx' | 'perdition' | 'dovecot proxy';

interface FrontendPlace {
  /** A folder of its own. */
  readonly root: string;
  readonly port: number;
  /** Where the Dovecot behind speaks IMAP. */
  readonly behind: number;
}

type CommandLine = readonly [program: string, ...args: string[]];

/** Who is hosted where is answered by nginx itself: a server of the bench would cost more than nginx does. */
async function prepareNginx({ root, port, behind }: FrontendPlace): Promise<CommandLine> {
  const lookup = await freePort();
  const file = join(root, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    file,
    `load_module /usr/lib/nginx/modules/ngx_mail_module.so;
daemon off;
pid ${root}/nginx.pid;
error_log ${root}/error.log warn;
worker_processes auto;
worker_rlimit_nofile 65536;
events {
  worker_connections 20000;
}
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${root}/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${lookup};
    location / {
      add_header Auth-Status OK;
      add_header Auth-Server 127.0.0.1;
      add_header Auth-Port ${behind};
      return 200;
    }
  }
}
mail {
  auth_http 127.0.0.1:${lookup}/;
  proxy_pass_error_message on;
  server {
    listen 127.0.0.1:${port};
    protocol imap;
  }
}
`,
  );
  return ['/usr/sbin/nginx', '-c', file, '-p', root];
}

function preparePerdition({ root, port, behind }: FrontendPlace): CommandLine {
  const file = join(root, 'perdition.conf'); // instead of the one in /etc
  writeFileSync(file, '');
  const listen = ['--bind_address', '127.0.0.1', '--listen_port', `${port}`];
  const outgoing = ['--outgoing_server', '127.0.0.1', '--outgoing_port', `${behind}`];
  const limits = ['--connection_limit', '0', '--timeout', '0'];
  const place = ['--pid_file', '', '--log_facility', '-', '--quiet', '--no_daemon'];
  const rest = ['--no_lookup', '--ssl_mode', 'none', '--map_library', ''];
  return [
    '/usr/sbin/perdition.imap4',
    '--config_file',
    file,
    ...listen,
    ...outgoing,
    ...limits,
    ...place,
    ...rest,
  ];
}

function prepareDovecotProxy({ root, port, behind }: FrontendPlace): CommandLine {
  const file = join(root, 'dovecot.conf');
  writeFileSync(
    file,
    `base_dir = ${root}/run
state_dir = ${root}/state
log_path = ${root}/dovecot.log
protocols = imap
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
default_client_limit = 20000
passdb {
  driver = static
  args = proxy=y host=127.0.0.1 port=${behind} nopassword=y
}
userdb {
  driver = static
  args = uid=mail gid=mail home=/nonexistent
}
service imap-login {
  service_count = 0
  process_min_avail = 2
  client_limit = 10000
  process_limit = 4
  inet_listener imap {
    address = 127.0.0.1
    port = ${port}
  }
  inet_listener imaps {
    port = 0
  }
}
`,
  );
  return ['/usr/sbin/dovecot', '-F', '-c', file];
}

async function commandLine(kind: FrontendKind, place: FrontendPlace): Promise<CommandLine> {
  if (kind === 'nginx') return prepareNginx(place);
  return kind === 'perdition' ? preparePerdition(place) : prepareDovecotProxy(place);
}

/** `stop` ends both. */
export async function withFrontend(
  directory: string,
  kind: FrontendKind,
  behind: BenchTarget,
): Promise<BenchTarget> {
  const root = mkdtempSync(join(directory, `${kind.replace(' ', '-')}-`));
  for (const name of ['run', 'state', 'logs']) mkdirSync(join(root, name), { mode: 0o755 });
  const port = await freePort();
  const [program, ...args] = await commandLine(kind, { root, port, behind: behind.ports.imap });
  const child = start(program, args);
  const stop = async (): Promise<void> => {
    await endProcessTree(child);
    await behind.stop();
    rmSync(root, { recursive: true, force: true });
  };
  await orStopped(() => portAnswers(port, child), stop);
  return {
    ...behind,
    name: kind,
    ports: { ...behind.ports, imap: port, imaps: undefined, pop3: undefined },
    processes: () => ({ front: processTree(child.pid!), behind: behind.processes().front }),
    stop,
  };
}
