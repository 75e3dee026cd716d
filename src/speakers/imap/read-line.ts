// A line that is not a command: a SASL response. The connection's errors pass through; the peer's end
// is a closed connection.

import { ConnectionClosed } from '../kit/connection.ts';
import type { ImapSession } from './session.ts';

export async function readLine(session: ImapSession, bytesMax: number): Promise<Buffer> {
  const { connection } = session;
  for (;;) {
    const line = connection.takeLine(bytesMax);
    if (line !== undefined) return line;
    const more = await connection.fill(session.inputTimeoutMs());
    if (!more) throw new ConnectionClosed();
  }
}
