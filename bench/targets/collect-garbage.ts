// Has another Node process collect its garbage, so that what it holds can be told from what it has not given back yet. Its
// inspector is opened for that, on the port that it was started with (`inspectorOptions`), and stays open. Rejects when the
// process does not answer in time.

const answerLimitMs = 60_000;
const retryMs = 50;

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
      await new Promise((resolve) => setTimeout(resolve, retryMs));
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

/** The bytes that are left: V8's heap, and the buffers outside it that V8 knows of. */
export async function collectGarbage(pid: number, inspectorPort: number): Promise<number> {
  process.kill(pid, 'SIGUSR1'); // Node opens its inspector
  const socket = new WebSocket(await debuggerUrl(inspectorPort));
  try {
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', () => reject(new Error(`the inspector of ${pid} is not reached`)));
    });
    await ask(socket, { id: 1, method: 'HeapProfiler.collectGarbage' });
    const usage = 'process.memoryUsage().heapUsed + process.memoryUsage().external';
    return (await ask(socket, {
      id: 2,
      method: 'Runtime.evaluate',
      params: { expression: usage },
    })) as number;
  } finally {
    socket.close();
  }
}
