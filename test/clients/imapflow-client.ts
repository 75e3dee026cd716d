// imapflow connected to a server of its own, in the clear, with the log of what it sends: it keeps no passwords there. A connection
// that is cut is an event of it; without a listener that would end the test's process.

import { ImapFlow, type ImapFlowOptions, type LogEvent } from 'imapflow';
import { addressOf, passwordOf, type ServerProcess } from '../server-process.ts';

export interface OpenedImapFlow extends AsyncDisposable {
  readonly flow: ImapFlow;
  /** The lines of both sides so far, as it logged them. */
  readonly lines: readonly string[];
  /** The mailbox is open until it is disposed of. */
  lock(path: string, readOnly?: boolean): Promise<AsyncDisposable>;
}

export async function openImapFlow(
  server: ServerProcess,
  user: string,
  options: Partial<ImapFlowOptions> = {},
): Promise<OpenedImapFlow> {
  const flow = new ImapFlow({
    host: '127.0.0.1',
    port: server.ports.imap,
    secure: false,
    doSTARTTLS: false,
    auth: { user: addressOf(user), pass: passwordOf(user) },
    clientInfo: { name: 'rookery test', version: '1' },
    logger: false,
    emitLogs: true,
    disableAutoIdle: true,
    ...options,
  });
  const lines: string[] = [];
  flow.on('error', () => {});
  flow.on('log', ({ msg }: LogEvent) => {
    if (typeof msg === 'string') lines.push(msg);
  });
  await flow.connect();
  return {
    flow,
    lines,
    lock: async (path, readOnly = false) => {
      const lock = await flow.getMailboxLock(path, { readOnly });
      return { [Symbol.asyncDispose]: async () => lock.release() };
    },
    [Symbol.asyncDispose]: async () => {
      if (!flow.isClosed) await flow.logout();
    },
  };
}
