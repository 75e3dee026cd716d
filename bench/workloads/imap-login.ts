// connect + LOGIN + SELECT INBOX + LOGOUT by twenty clients, each its own user.

import { openMailbox } from '../mailbox.ts';
import { throughputOf } from '../statistics.ts';
import { userCount } from '../target.ts';
import type { Workload } from './workload.ts';

const clientCount = 20;

export const imapLogin: Workload = async (target, { scale }) => {
  const cycle = async (client: number): Promise<void> => {
    const session = await openMailbox(target, `user${client % userCount}`);
    await session.command('c LOGOUT\r\n', 'c OK');
    session.end();
  };
  const run = async (count: number): Promise<number> => {
    let next = 0;
    const startedAt = performance.now();
    await Promise.all(
      Array.from({ length: clientCount }, async (_, client) => {
        while (next++ < count) await cycle(client);
      }),
    );
    return count / ((performance.now() - startedAt) / 1000);
  };
  const value = await throughputOf(() => run(Math.ceil(6000 * scale)));
  return [{ name: 'imap connect+LOGIN+SELECT+LOGOUT, 20 clients', value, unit: '/s', better: 'higher' }];
};
