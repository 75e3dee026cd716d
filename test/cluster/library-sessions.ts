// The libraries that applications use, as the cluster's tests use them: over TLS, to any node or what stands before the
// nodes. Each node has a certificate of its own making, so none is checked here.

import { ImapFlow, type ImapFlowOptions } from 'imapflow';
import { createTransport, type Transporter } from 'nodemailer';
import { addressOf, passwordOf } from '../server-process.ts';
import type { Entrance } from './client-sessions.ts';

/** What every server and both libraries have in common. */
function serverOf(entrance: Entrance, user: string, listener: 'imaps' | 'submissions') {
  return {
    host: entrance.host,
    port: entrance.port(listener),
    secure: true,
    tls: { rejectUnauthorized: false },
    auth: { user: addressOf(user), pass: passwordOf(user) },
  };
}

/** Not connected. IDLE is not begun by itself. */
export function makeImapFlow(entrance: Entrance, user: string, options: Partial<ImapFlowOptions>): ImapFlow {
  const client = new ImapFlow({
    ...serverOf(entrance, user, 'imaps'),
    logger: false,
    disableAutoIdle: true,
    ...options,
  });
  // Without a listener it would end the test's process; the command that is on its way rejects as well.
  client.on('error', () => {});
  return client;
}

export function makeMailer(entrance: Entrance, user: string, options: object = {}): Transporter {
  return createTransport({ ...serverOf(entrance, user, 'submissions'), ...options });
}
