// POP3 drain: STAT, then RETR and DELE of every message, one by one, then QUIT, on one connection.

import { LineClient } from '../line-client.ts';
import { messages } from '../message-mix.ts';
import { deliverAll } from './lmtp.ts';
import type { Workload } from './workload.ts';

export const pop3: Workload = async (target, { scale }) => {
  if (target.ports.pop3 === undefined) return [];
  const count = Math.ceil(2000 * scale);
  const user = `drain@${target.domain}`;
  await deliverAll(target.ports.lmtp, messages('small', count, 31), {
    greeting: 'LHLO',
    recipient: () => user,
  });
  const client = await LineClient.open(target.ports.pop3);
  await client.lastLine('+OK');
  const startedAt = performance.now();
  await client.command(`USER ${user}\r\n`, '+OK');
  await client.command(`PASS ${target.password}\r\n`, '+OK');
  await client.command('STAT\r\n', '+OK');
  for (let number = 1; number <= count; number++) {
    await client.command(`RETR ${number}\r\n`, '.');
    await client.command(`DELE ${number}\r\n`, '+OK');
  }
  await client.command('QUIT\r\n', '+OK');
  const seconds = (performance.now() - startedAt) / 1000;
  client.end();
  return [{ name: 'pop3 drain 4 KB, 1 connection', value: count / seconds, unit: '/s', better: 'higher' }];
};
