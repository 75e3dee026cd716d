// Calls between two processes over Node's own channel: each names a method of the other and is answered once. A failure
// arrives as a Fault with its message. When the channel is gone, what was not answered fails, and every later call.

import type { ChildProcess } from 'node:child_process';
import { Fault } from '../../base/fault.ts';

/** The other process: a child, or this process's parent. */
export type ChannelEnd = ChildProcess | NodeJS.Process;

// biome-ignore lint/suspicious/noExplicitAny: methods of any arguments
type Methods<Calls> = { readonly [Name in keyof Calls]: (...args: any) => Promise<unknown> };

type Message =
  | { readonly call: number; readonly method: string; readonly args: readonly unknown[] }
  | { readonly answer: number; readonly result?: unknown; readonly failure?: string };

interface Pending {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

export class ProcessChannel<Theirs extends Methods<Theirs>> {
  readonly #end: ChildProcess;
  readonly #methods: Readonly<Record<string, (...args: never[]) => Promise<unknown>>>;
  readonly #pending = new Map<number, Pending>();
  #lastCall = 0;
  #isGone = false;

  constructor(end: ChannelEnd, mine: object) {
    // A process that was forked has the same methods for its parent.
    this.#end = end as ChildProcess;
    this.#methods = mine as Record<string, (...args: never[]) => Promise<unknown>>;
    this.#end.on('message', (message) => void this.#hear(message as unknown as Message));
    this.#end.on('disconnect', () => this.#gone());
  }

  call<Name extends keyof Theirs & string>(
    method: Name,
    ...args: Parameters<Theirs[Name]>
  ): ReturnType<Theirs[Name]> {
    const result = new Promise((resolve, reject) => {
      if (this.#isGone) throw gone();
      const call = ++this.#lastCall;
      this.#pending.set(call, { resolve, reject });
      this.#send({ call, method, args });
    });
    return result as ReturnType<Theirs[Name]>;
  }

  #send(message: Message): void {
    this.#end.send(message, (error: Error | null) => {
      if (error !== null) this.#gone();
    });
  }

  async #hear(message: Message): Promise<void> {
    if ('answer' in message) {
      const pending = this.#pending.get(message.answer);
      this.#pending.delete(message.answer);
      if (message.failure === undefined) pending?.resolve(message.result as never);
      else pending?.reject(new Fault(message.failure, { temporary: false }));
      return;
    }
    const { call, method, args } = message;
    try {
      const result = await this.#methods[method]!(...(args as never[]));
      this.#send({ answer: call, result });
    } catch (error) {
      this.#send({ answer: call, failure: (error as Error).message });
    }
  }

  #gone(): void {
    this.#isGone = true;
    for (const { reject } of this.#pending.values()) reject(gone());
    this.#pending.clear();
  }
}

const gone = (): Fault => new Fault('the other process has ended', { temporary: true });
