// Asks another Node process through its inspector: to collect its garbage, so that what it holds can be told from what it
// has not given back yet, or what an expression gives there. The inspector is opened for that, on the port that the process
// was started with (`inspectorOptions`), and stays open. Rejects when the process does not answer in time.

import { setTimeout as sleep } from 'node:timers/promises';

const answerLimitMs = 60_000;
const retryMs = 50;

export interface InspectedProcess {
  readonly pid: number;
  /** Of its inspector. */
  readonly port: number;
}

/** For Node: the inspector stays shut until it is wanted, and the process says little about it. */
export function inspectorOptions(port: number): string[] {
  return [`--inspect-port=127.0.0.1:${port}`, '--inspect-publish-uid=http'];
}

async function debuggerUrl(port: number): Promise<string> {
  const until = performance.now() + answerLimitMs;
  for (;;) {
    try {
      const listed = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as [
        { webSocketDebuggerUrl: string },
      ];
      return listed[0].webSocketDebuggerUrl;
    } catch (error) {
      if (performance.now() > until) throw error;
      await sleep(retryMs);
    }
  }
}

interface InspectorAnswer {
  readonly id?: number;
  readonly result?: { readonly result?: { readonly value?: unknown } };
}

async function ask(
  socket: WebSocket,
  request: { readonly id: number; readonly method: string; readonly params?: object },
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`no answer to ${request.method}`)), answerLimitMs);
    socket.addEventListener('message', ({ data }) => {
      const { id, result } = JSON.parse(String(data)) as InspectorAnswer;
      if (id !== request.id) return;
      clearTimeout(limit);
      resolve(result?.result?.value);
    });
    socket.send(JSON.stringify(request));
  });
}

/** Works with the process's inspector, which stays open. */
async function inspected<T>(
  { pid, port }: InspectedProcess,
  work: (socket: WebSocket) => Promise<T>,
): Promise<T> {
  process.kill(pid, 'SIGUSR1'); // Node opens its inspector
  const socket = new WebSocket(await debuggerUrl(port));
  try {
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', () => reject(new Error(`the inspector of ${pid} is not reached`)));
    });
    return await work(socket);
  } finally {
    socket.close();
  }
}

const evaluation = (id: number, expression: string) => ({
  id,
  method: 'Runtime.evaluate',
  params: { expression },
});

/** The bytes that are left: V8's heap, and the buffers outside it that V8 knows of. */
export async function collectGarbage(place: InspectedProcess): Promise<number> {
  return inspected(place, async (socket) => {
    await ask(socket, { id: 1, method: 'HeapProfiler.collectGarbage' });
    const usage = 'process.memoryUsage().heapUsed + process.memoryUsage().external';
    return (await ask(socket, evaluation(2, usage))) as number;
  });
}

/** What the expression gives in that process: a string, a number or nothing. */
export async function evaluate(place: InspectedProcess, expression: string): Promise<unknown> {
  return inspected(place, (socket) => ask(socket, evaluation(1, expression)));
}
