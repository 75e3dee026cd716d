// The runner's side of the load generator: starts its process (generator.ts) and asks it for one thing after the other. What it
// holds open, it holds until `end`.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { GeneratorAnswer, GeneratorRequest } from './generator.ts';
import type { Figure } from './workloads/workload.ts';

export class LoadGenerator {
  readonly #child: ChildProcess = fork(fileURLToPath(new URL('./generator.ts', import.meta.url)));

  ask(request: GeneratorRequest): Promise<readonly Figure[]> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`the generator ended with ${code}`));
      this.#child.once('exit', ended);
      this.#child.once('message', (answer: GeneratorAnswer) => {
        this.#child.off('exit', ended);
        if ('error' in answer) reject(new Error(answer.error));
        else resolve(answer.figures);
      });
      this.#child.send(request);
    });
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}
