// The machines that docs/operations.md speaks of, on loopback: each has an address, a folder in place of its /etc and /var,
// and what systemd would do for it, after the unit that the page gives. Commands are the page's own, with addresses, ports
// below 1024 and paths put in their place. What would change this machine itself is left out (the page says what that is).

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { loopbackNetwork } from '../loopback-network.ts';
import { PostgresServer } from '../postgres-server.ts';
import { makeTemporaryFolder, runWell, type TemporaryFolder } from '../run-program.ts';
import { rookeryCommand } from '../server-process.ts';
import { commandsOf, type RunbookBlock, statementsOf } from './runbook.ts';

const nodeAddresses: Readonly<Record<string, string>> = {
  one: '10.0.0.11',
  two: '10.0.0.12',
  three: '10.0.0.13',
};
const postgresAddresses: Readonly<Record<string, string>> = { pg1: '10.0.0.21', pg2: '10.0.0.22' };
const leftOut = new Set(['apt-get', 'npm', 'useradd', 'chown', 'reboot', 'certbot']);
/** Added to ports that take a privilege to listen on. */
export const portsFrom = 20_000;
const unitPath = '/etc/systemd/system/rookery.service';

interface Service {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  log: string;
}

export class RunbookMachines implements AsyncDisposable {
  readonly #folder: TemporaryFolder;
  readonly #network = loopbackNetwork();
  readonly #postgres = new Map<string, PostgresServer>();
  readonly #services = new Map<string, Service>();
  #token = 'TOKEN';

  private constructor(folder: TemporaryFolder) {
    this.#folder = folder;
  }

  static async open(): Promise<RunbookMachines> {
    const machines = new RunbookMachines(await makeTemporaryFolder());
    mkdirSync(machines.#folder.at('bin'));
    const command = `#!/bin/sh\nexec '${process.execPath}' '${rookeryCommand}' "$@"\n`;
    writeFileSync(machines.#folder.at('bin', 'rookery'), command, { mode: 0o755 });
    for (const machine of Object.keys(nodeAddresses)) machines.#furnish(machine);
    machines.#postgres.set('pg1', await PostgresServer.start());
    return machines;
  }

  /** The nodes whose server runs. */
  get running(): string[] {
    return [...this.#services.keys()];
  }

  addressOf(machine: string): string {
    return this.#placed(nodeAddresses[machine]!);
  }

  postgres(machine: string): PostgresServer {
    const server = this.#postgres.get(machine);
    assert.ok(server !== undefined, `${machine} is not there yet`);
    return server;
  }

  async run(block: RunbookBlock): Promise<void> {
    for (const machine of block.machines) {
      if (block.language === 'sql') {
        for (const statement of statementsOf(block)) await this.postgres(machine).query(statement);
      } else if (block.path !== undefined) {
        this.#write(machine, block);
      } else {
        for (const command of commandsOf(block)) await this.#runCommand(machine, command);
      }
    }
  }

  /** A command of the page's kind; gives what it printed. */
  async shell(machine: string, command: string): Promise<string> {
    const path = `${this.#folder.at('bin')}${delimiter}${process.env.PATH}${delimiter}/usr/sbin`;
    const env = { PATH: path, ROOKERY_DATA: this.#place(machine, '/var/lib/rookery') };
    const line = this.#substituted(machine, command);
    const { stdout } = await runWell('bash', ['-e', '-o', 'pipefail', '-c', line], { env });
    this.#token = /rookery-join-1\.\S+/.exec(stdout)?.[0] ?? this.#token;
    return stdout;
  }

  async json<T>(machine: string, args: string): Promise<T> {
    return JSON.parse(await this.shell(machine, `rookery --json ${args}`)) as T;
  }

  /** The machine is lost with all that was on it; a new one of its name and address is furnished. */
  async lose(machine: string): Promise<void> {
    await this.#end(machine, 'SIGKILL');
    const unit = readFileSync(this.#place(machine, unitPath));
    const config = readFileSync(this.#place(machine, '/etc/rookery.toml'));
    rmSync(this.#folder.at(machine), { recursive: true });
    this.#furnish(machine);
    writeFileSync(this.#place(machine, unitPath), unit);
    writeFileSync(this.#place(machine, '/etc/rookery.toml'), config);
  }

  /** Resolves when the server of this machine has ended by itself. */
  async ended(machine: string): Promise<void> {
    await this.#services.get(machine)?.exited;
    this.#services.delete(machine);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.running.map((machine) => this.#end(machine, 'SIGKILL')));
    await Promise.all([...this.#postgres.values()].map((server) => server[Symbol.asyncDispose]()));
    await this.#folder.remove();
  }

  async #runCommand(machine: string, command: string): Promise<void> {
    const words = command.split(' ');
    if (leftOut.has(words[0]!)) return;
    if (machine in postgresAddresses) {
      if (words[0] === 'pg_basebackup') await this.#makeStandby(machine, command);
    } else if (words[0] === 'systemctl') {
      assert.equal(words.at(-1), 'rookery', command);
      await this.#systemctl(machine, words.slice(1, -1).join(' '));
    } else {
      await this.shell(machine, command);
    }
  }

  async #systemctl(machine: string, verb: string): Promise<void> {
    switch (verb) {
      case 'start':
      case 'enable --now':
        return this.#start(machine);
      case 'stop':
        assert.equal(await this.#end(machine, 'SIGTERM'), 0, `${machine} did not end in good order`);
        return;
      case 'disable --now':
        await this.#end(machine, 'SIGTERM');
        return;
      default:
        assert.fail(`systemctl ${verb}`);
    }
  }

  /** As the unit says, until its ExecStartPost is content. */
  async #start(machine: string): Promise<void> {
    assert.ok(!this.#services.has(machine), `${machine} runs already`);
    const unit = readFileSync(this.#place(machine, unitPath), 'utf8');
    const line = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)![1]!;
    let variables = '';
    try {
      variables = readFileSync(line('EnvironmentFile').replace(/^-/, ''), 'utf8');
    } catch {
      // The "-" says that it need not be there.
    }
    const command = line('ExecStart').replaceAll(/\$(\w+)/g, (_, name: string) => {
      return new RegExp(`^${name}=(.*)$`, 'm').exec(variables)?.[1] ?? '';
    });
    const child = spawn('bash', ['-c', `exec ${command}`], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: `${this.#folder.at('bin')}${delimiter}${process.env.PATH}` },
    });
    const kill = (): boolean => child.kill('SIGKILL');
    process.once('exit', kill);
    const exited = once(child, 'close').then(([code]) => {
      process.off('exit', kill);
      return code as number | null;
    });
    const service: Service = { child, exited, log: '' };
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        service.log += text;
      });
    this.#services.set(machine, service);
    const ended = exited.then((code) => assert.fail(`${machine} ended with ${code}: ${service.log}`));
    // After it started its end is no failure of this; `stop` looks at the code.
    ended.catch(() => {});
    await Promise.race([this.shell(machine, line('ExecStartPost')), ended]);
  }

  async #end(machine: string, signal: NodeJS.Signals): Promise<number | null> {
    const service = this.#services.get(machine);
    if (service === undefined) return null;
    service.child.kill(signal);
    const code = await service.exited;
    this.#services.delete(machine);
    return code;
  }

  async #makeStandby(machine: string, command: string): Promise<void> {
    const [, host, name] = /host=(\S+) .*application_name=(\w+)/.exec(command)!;
    const source = Object.keys(postgresAddresses).find((each) => postgresAddresses[each] === host)!;
    const standby = await this.postgres(source).startStandby(name!);
    await this.#postgres.get(machine)?.[Symbol.asyncDispose]();
    this.#postgres.set(machine, standby);
  }

  /** The block's text is the first machine's; the others get their own address. */
  #write(machine: string, { machines, path, text }: RunbookBlock): void {
    const own = text.replaceAll(nodeAddresses[machines[0]!]!, nodeAddresses[machine]!);
    const unprivileged = own.replaceAll(/:(\d{2,3})"/g, (_, port: string) => `:${portsFrom + Number(port)}"`);
    writeFileSync(this.#place(machine, path!), this.#substituted(machine, unprivileged));
  }

  #furnish(machine: string): void {
    for (const folder of ['/var/lib/rookery', '/var/backups', '/etc/default', dirname(unitPath)])
      mkdirSync(this.#place(machine, folder), { recursive: true });
  }

  #place(machine: string, path: string): string {
    return join(this.#folder.at(machine), path);
  }

  #placed(text: string): string {
    return text.replaceAll(/\b10\.0\.0\.(?=(?:1[1-3]|3[12])\b)/g, `${this.#network}.`);
  }

  #substituted(machine: string, text: string): string {
    const urls = text.replaceAll(/(?<=postgres:\/\/mail:PASSWORD@)[\d.,]+/g, (hosts) =>
      hosts
        .split(',')
        .flatMap((host) => {
          const name = Object.keys(postgresAddresses).find((each) => postgresAddresses[each] === host)!;
          const server = this.#postgres.get(name);
          return server === undefined ? [] : [`127.0.0.1:${server.port}`];
        })
        .join(','),
    );
    return this.#placed(urls)
      .replaceAll(/(?<![\w.])\/(?=(?:etc|var)\/)/g, `${this.#folder.at(machine)}/`)
      .replaceAll(/\bTOKEN\b/g, this.#token)
      .replaceAll(/\bNODE\b/g, machine);
  }
}
