// HAProxy as a process of its own, with what it logs (`log stdout`): its log is how a test waits for what it does. `stop`
// ends it; no process outlives the test's process.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

const program = 'haproxy';

export class HaproxyProcess {
  readonly #child: ChildProcess;
  #log = '';
  #wake: (() => void)[] = [];

  constructor(file: string) {
    this.#child = spawn(program, ['-W', '-db', '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text;
        for (const wake of this.#wake.splice(0)) wake();
      });
    const kill = (): boolean => this.#child.kill('SIGKILL');
    process.once('exit', kill);
    this.#child.once('exit', () => {
      process.off('exit', kill);
      for (const wake of this.#wake.splice(0)) wake();
    });
  }

  /** Resolves once it has logged this after what `since` gave. */
  async logged(pattern: RegExp, since = 0): Promise<void> {
    while (!pattern.test(this.#log.slice(since))) {
      if (this.#child.exitCode !== null) throw new Error(`HAProxy ended:\n${this.#log}`);
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
      });
    }
  }

  get logLength(): number {
    return this.#log.length;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGTERM');
    await once(this.#child, 'exit');
  }
}
