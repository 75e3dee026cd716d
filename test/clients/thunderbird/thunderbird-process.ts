// Thunderbird with a new profile, on a screen nobody sees (Xvfb), without an account until it is given one: IMAP over TLS,
// submission after STARTTLS. It is told to trust the server's certificate before it connects, because each question it
// would ask is a window that waits for somebody. Ended by Marionette, or by its process id.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { freePort } from '../../free-port.ts';
import { makeTemporaryFolder, missingPrograms, type TemporaryFolder } from '../../run-program.ts';
import { addressOf, passwordOf, type ServerProcess } from '../../server-process.ts';
import { Marionette } from './marionette.ts';

const host = '127.0.0.1';

/** For `skip`: false when it and a screen for it are there. */
export function missingThunderbird(): string | false {
  const missing = missingPrograms('thunderbird', 'Xvfb');
  return missing === false ? false : `${missing} (on Debian: apt-get install thunderbird xvfb, 250 MB)`;
}

/** Nothing is fetched from elsewhere and nothing is asked. */
const quietPreferences = {
  'app.update.enabled': false,
  'datareporting.policy.dataSubmissionPolicyBypassNotification': true,
  'extensions.update.enabled': false,
  'mail.biff.show_alert': false,
  'mail.identity.default.compose_html': false,
  'mail.e2ee.auto_enable': false,
  'mail.inappnotifications.enabled': false,
  'mail.provider.suppress_dialog_on_startup': true,
  'mail.rights.version': 1,
  'mail.shell.checkDefaultClient': false,
  'mail.spotlight.firstRunDone': true,
  'mailnews.start_page.enabled': false,
  'network.proxy.type': 0,
};

/** What every script has at hand. */
const prelude = `
  const { MailServices } = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs');
  const tabmail = document.getElementById('tabmail');
  const about = tabmail?.currentAbout3Pane;
  const account = MailServices.accounts.allServers.find(({ type }) => type === 'imap');
  const folderOf = (path) => account.rootFolder.descendants.find((folder) => pathOf(folder) === path);
  const pathOf = (folder) => folder.parent === account.rootFolder ? folder.name : pathOf(folder.parent) + '/' + folder.name;
  const pause = () => new Promise((resolve) => setTimeout(resolve, 30));
  const until = async (look) => {
    for (const end = Date.now() + 50000; Date.now() < end; await pause()) {
      const found = await look();
      if (found) return found;
    }
    throw new Error('never came: ' + look);
  };
  const rowsOf = (view) => Array.from({ length: view?.rowCount ?? 0 }, (_, at) => view.getMsgHdrAt(at).mime2DecodedSubject);
`;

export class ThunderbirdProcess implements AsyncDisposable {
  readonly #marionette: Marionette;
  readonly #children: readonly ChildProcess[];
  readonly #folder: TemporaryFolder;

  private constructor(marionette: Marionette, children: readonly ChildProcess[], folder: TemporaryFolder) {
    this.#marionette = marionette;
    this.#children = children;
    this.#folder = folder;
  }

  /**
   * What it prints goes to `logFile`. On a loaded machine its main window has been seen not to get ready before Marionette gave
   * it up: that is before it knows of any server, and it is started once more.
   */
  static async start(server: ServerProcess, logFile: string): Promise<ThunderbirdProcess> {
    const start = (): Promise<ThunderbirdProcess> => ThunderbirdProcess.#startOnce(server, logFile);
    return start().catch(async (error: unknown) => {
      await appendFile(logFile, `\nStarted again after: ${error}\n`);
      return start();
    });
  }

  static async #startOnce(server: ServerProcess, logFile: string): Promise<ThunderbirdProcess> {
    const folder = await makeTemporaryFolder();
    await mkdir(folder.at('profile'));
    const port = await freePort();
    const preferences = { ...quietPreferences, 'marionette.port': port };
    const lines = Object.entries(preferences).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    );
    await writeFile(folder.at('profile', 'user.js'), lines.join(''));
    const screen = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    });
    const [display] = (await once(screen.stdio[3] as Readable, 'data')) as [Buffer];
    await using log = await open(logFile, 'a');
    const remote = ['--marionette', '--remote-allow-system-access', '--no-remote'];
    const program = spawn('thunderbird', [...remote, '--profile', folder.at('profile')], {
      stdio: ['ignore', log.fd, log.fd],
      env: { ...process.env, DISPLAY: `:${String(display).trim()}`, HOME: folder.path, LC_ALL: 'C.UTF-8' },
    });
    const children = [program, screen];
    const kill = (): void => children.forEach((child) => void child.kill('SIGKILL'));
    process.once('exit', kill);
    screen.once('exit', () => process.off('exit', kill));
    try {
      const marionette = await Marionette.connect(port, () => program.exitCode === null);
      const thunderbird = new ThunderbirdProcess(marionette, children, folder);
      await thunderbird.#trust(server);
      return thunderbird;
    } catch (error) {
      kill();
      await folder.remove();
      throw error;
    }
  }

  /** Runs the body of an async function in its main window; see `prelude` for what it has at hand. */
  run<T>(script: string, ...args: readonly unknown[]): Promise<T> {
    return this.#marionette.run<T>(prelude + script, ...args);
  }

  /**
   * What its dialog for a new account does once somebody filled it in by hand and said Continue: it tries the account on the server
   * and keeps it.
   */
  async configure(server: ServerProcess, user: string): Promise<void> {
    await this.run(
      `const [host, imap, submission, name, username, password] = args;
      const load = (name) => ChromeUtils.importESModule('resource:///modules/accountcreation/' + name + '.sys.mjs')[name];
      const AccountConfig = load('AccountConfig');
      const config = new AccountConfig();
      const login = { hostname: host, username, password, auth: Ci.nsMsgAuthMethod.passwordCleartext };
      Object.assign(config.incoming, login, { type: 'imap', port: imap, socketType: Ci.nsMsgSocketType.SSL });
      Object.assign(config.outgoing, login,
        { type: 'smtp', port: submission, socketType: Ci.nsMsgSocketType.alwaysSTARTTLS, addThisServer: true });
      config.identity = { realname: name, emailAddress: username };
      config.displayName = name;
      config.source = AccountConfig.kSourceUser;
      config.rememberPassword = true;
      const verifier = new (load('ConfigVerifier'))(window.msgWindow, new AbortController().signal);
      await verifier.verifyConfig(config, true);
      await load('CreateInBackend').createAccountInBackend(config);`,
      ...[host, server.ports.imaps, server.ports.submission, user, addressOf(user), passwordOf(user)],
    );
  }

  /** Writes PNG of the main window, or of the one that it opened last. */
  async screenshot(file: string, which: 'main' | 'last' = 'main'): Promise<void> {
    await writeFile(file, await this.#marionette.screenshot(which));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const [program, screen] = this.#children as [ChildProcess, ChildProcess];
    if (program.exitCode === null && program.signalCode === null) {
      const ended = once(program, 'exit');
      await this.#marionette.quit().catch(() => program.kill('SIGKILL'));
      await ended;
    }
    screen.kill('SIGTERM');
    await this.#folder.remove();
  }

  async #trust(server: ServerProcess): Promise<void> {
    const certificate = (await readFile(server.certificateFile, 'utf8')).replaceAll(/-----.*?-----|\s/g, '');
    const ports = [server.ports.imaps, server.ports.submission];
    await this.run(
      `const [certificate, host, ports] = args;
      const database = Cc['@mozilla.org/security/x509certdb;1'].getService(Ci.nsIX509CertDB);
      const overrides = Cc['@mozilla.org/security/certoverride;1'].getService(Ci.nsICertOverrideService);
      for (const port of ports)
        overrides.rememberValidityOverride(host, port, {}, database.constructX509FromBase64(certificate), false);`,
      ...[certificate, host, ports],
    );
  }
}
