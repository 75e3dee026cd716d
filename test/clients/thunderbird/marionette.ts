// Marionette, the remote control that Mozilla's programs have built in: length-prefixed JSON over TCP, one command at a
// time. Scripts run with the rights of the program's own windows. A script's error and a lost connection reject.

import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

const startLimitMs = 60_000;
const retryMs = 100;
const scriptLimitMs = 60_000;

type Answer = readonly [
  kind: 1,
  id: number,
  error: { message: string; error: string } | null,
  result: unknown,
];

export class Marionette {
  readonly #socket: Socket;
  readonly #packets: AsyncIterator<unknown>;
  #id = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#packets = packetsOf(socket);
  }

  /** Waits for the program to listen. */
  static async connect(port: number, isRunning: () => boolean): Promise<Marionette> {
    for (const until = performance.now() + startLimitMs; performance.now() < until; await wait(retryMs)) {
      const socket = await tryConnect(port);
      if (socket !== undefined) {
        const marionette = new Marionette(socket);
        await marionette.#packets.next(); // its greeting
        await marionette.call('WebDriver:NewSession', {
          capabilities: { alwaysMatch: { unhandledPromptBehavior: 'ignore' } },
        });
        await marionette.call('Marionette:SetContext', { value: 'chrome' });
        await marionette.call('WebDriver:SetTimeouts', { script: scriptLimitMs });
        return marionette;
      }
      if (!isRunning()) throw new Error('it ended before it listened');
    }
    throw new Error(`it does not listen after ${startLimitMs} ms`);
  }

  async call<T>(name: string, parameters: object = {}): Promise<T> {
    this.#id++;
    const text = JSON.stringify([0, this.#id, name, parameters]);
    this.#socket.write(`${Buffer.byteLength(text)}:${text}`);
    const { value, done } = await this.#packets.next();
    if (done === true) throw new Error(`the connection ended in ${name}`);
    const [, , error, result] = value as Answer;
    if (error !== null) throw new Error(`${name}: ${error.error}: ${error.message}`);
    return result as T;
  }

  /** Runs the body of an async function in the program; `arguments` are there, what it returns is given. */
  async run<T>(script: string, ...args: readonly unknown[]): Promise<T> {
    const body = `const [args, resolve] = [arguments[0], arguments[1]];
      (async () => { ${script} })().then((value) => resolve({ value: value ?? null }),
        (error) => resolve({ error: String(error) + '\\n' + error.stack }));`;
    const { value } = await this.call<{ value: { value?: T; error?: string } | null }>(
      'WebDriver:ExecuteAsyncScript',
      {
        script: body,
        args: [args],
        newSandbox: true,
      },
    );
    if (value === null)
      throw new Error(`it asks something: ${JSON.stringify(await this.call('WebDriver:GetAlertText'))}`);
    if (value.error !== undefined) throw new Error(`${value.error}\n${script}`);
    return value.value as T;
  }

  /** PNG of the window that scripts run in, or of the one that was opened last. */
  async screenshot(which: 'main' | 'last'): Promise<Buffer> {
    const main = await this.call<{ value: string }>('WebDriver:GetWindowHandle');
    const handles = await this.call<string[]>('WebDriver:GetWindowHandles');
    if (which === 'last') await this.#switchTo(handles.findLast((handle) => handle !== main.value)!);
    const { value } = await this.call<{ value: string }>('WebDriver:TakeScreenshot', { full: true });
    if (which === 'last') await this.#switchTo(main.value);
    return Buffer.from(value, 'base64');
  }

  async #switchTo(handle: string): Promise<void> {
    await this.call('WebDriver:SwitchToWindow', { handle, focus: false });
  }

  /** Asks the program to end. */
  async quit(): Promise<void> {
    await this.call('Marionette:Quit', { flags: ['eForceQuit'] });
    this.#socket.destroy();
  }
}

function tryConnect(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}

async function* packetsOf(socket: Socket): AsyncGenerator<unknown, void> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of socket) {
    held = Buffer.concat([held, chunk as Buffer]);
    for (let colon = held.indexOf(':'); colon >= 0; colon = held.indexOf(':')) {
      const end = colon + 1 + Number(held.toString('latin1', 0, colon));
      if (held.length < end) break;
      yield JSON.parse(held.toString('utf8', colon + 1, end));
      held = held.subarray(end);
    }
  }
}
