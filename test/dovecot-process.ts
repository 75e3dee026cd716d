// A Dovecot for tests: Debian's own, in a folder of its own, on a free port of 127.0.0.1, with one user whose mail is where
// the test says. As root its mail processes run as "mail", else everything runs as the user of the test.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { userInfo } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { type Ended, makeTemporaryFolder, runWell, type TemporaryFolder } from './run-program.ts';

const program = '/usr/sbin/dovecot';
/** Debian's fixed uid and gid of "mail". */
const mailId = 8;
const startLimitMs = 60_000;
const retryMs = 50;

/** For `skip`: false when Dovecot with its IMAP server is there. */
export function missingDovecot(): string | false {
  const isThere = [program, '/usr/lib/dovecot/imap'].every((path) => existsSync(path));
  return isThere
    ? false
    : 'not installed: dovecot-imapd (`apt-get install dovecot-imapd`, its own server may be off)';
}

export const dovecotUser = 'alice';
export const dovecotPassword = 'correct horse';

export interface DovecotOptions {
  /** Where the user's mail is, in Dovecot's words; `%h` is a folder of its own. */
  readonly mailLocation: string;
  /** More of its configuration, given where the mail processes may write what they log. */
  readonly settings?: (logFolder: string) => string;
}

export class DovecotProcess implements AsyncDisposable {
  readonly port: number;
  readonly #folder: TemporaryFolder;
  #child: ChildProcess | undefined;

  private constructor(folder: TemporaryFolder, port: number) {
    this.#folder = folder;
    this.port = port;
  }

  /** A folder with its configuration: enough for `doveadm`. */
  static async prepare(options: DovecotOptions): Promise<DovecotProcess> {
    const folder = await makeTemporaryFolder();
    const dovecot = new DovecotProcess(folder, await freePort());
    await chmod(folder.path, 0o755);
    for (const name of ['run', 'state', 'home', 'log']) {
      await mkdir(folder.at(name));
      if (process.getuid?.() === 0 && (name === 'home' || name === 'log'))
        await chown(folder.at(name), mailId, mailId);
    }
    await writeFile(folder.at('users'), `${dovecotUser}:{PLAIN}${dovecotPassword}::::::\n`);
    await writeFile(folder.at('dovecot.conf'), dovecot.#configuration(options));
    return dovecot;
  }

  /** Prepared, and answering on its port. */
  static async start(options: DovecotOptions): Promise<DovecotProcess> {
    const dovecot = await DovecotProcess.prepare(options);
    const child = spawn(program, ['-F', '-c', dovecot.#folder.at('dovecot.conf')], { stdio: 'inherit' });
    const kill = (): boolean => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    dovecot.#child = child;
    await dovecot.#answers(child);
    return dovecot;
  }

  /** The user's home. */
  home(...names: readonly string[]): string {
    return this.#folder.at('home', ...names);
  }

  /** In the folder that `settings` was given. */
  log(...names: readonly string[]): string {
    return this.#folder.at('log', ...names);
  }

  /** Runs an administrator's command as the user, without the server. */
  doveadm(args: readonly string[]): Promise<Ended> {
    const env = { USER: dovecotUser, HOME: this.home() };
    return runWell('doveadm', ['-c', this.#folder.at('dovecot.conf'), ...args], { env });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    await this.#folder.remove();
  }

  async #answers(child: ChildProcess): Promise<void> {
    const until = performance.now() + startLimitMs;
    while (!(await accepts(this.port))) {
      const isLost = child.exitCode !== null || performance.now() > until;
      if (isLost) {
        const log = await readFile(this.#folder.at('dovecot.log'), 'utf8').catch(() => 'no log');
        child.kill('SIGKILL');
        assert.fail(`Dovecot does not answer:\n${log}`);
      }
      await wait(retryMs);
    }
  }

  #configuration({ mailLocation, settings }: DovecotOptions): string {
    const at = (name: string): string => this.#folder.at(name);
    return `
base_dir = ${at('run')}
state_dir = ${at('state')}
log_path = ${at('dovecot.log')}
protocols = imap
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
mail_location = ${mailLocation}
mail_save_crlf = yes
mail_temp_dir = ${this.home()}
first_valid_uid = 1
first_valid_gid = 1
${usersOf()}
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%n ${at('users')}
}
userdb {
  driver = static
  args = home=${this.home()}
}
namespace inbox {
  inbox = yes
  separator = /
}
service imap-login {
  inet_listener imap {
    address = 127.0.0.1
    port = ${this.port}
  }
  inet_listener imaps {
    port = 0
  }
}
${settings?.(at('log')) ?? ''}
`;
  }
}

/** Who its processes run as. */
function usersOf(): string {
  if (process.getuid?.() === 0) return 'mail_uid = mail\nmail_gid = mail';
  const { username, uid, gid } = userInfo();
  const services = ['anvil', 'dns-client', 'imap-login', 'ipc', 'stats'];
  return [
    `default_internal_user = ${username}`,
    `default_internal_group = #${gid}`,
    `default_login_user = ${username}`,
    `mail_uid = ${uid}`,
    `mail_gid = ${gid}`,
    ...services.map((name) => `service ${name} {\n  chroot =\n}`),
  ].join('\n');
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    for (const event of ['error', 'close']) socket.once(event, () => resolve(false));
  });
}
