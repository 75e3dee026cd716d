// SMTP from outside over ten connections, 4 KB messages: until the 250, so against Postfix its queue, not its delivery.

import { messages } from '../message-mix.ts';
import { userCount } from '../target.ts';
import { deliverAll } from './lmtp.ts';
import type { Workload } from './workload.ts';

export const smtp: Workload = async (target, { scale }) => {
  if (target.ports.smtp === undefined) return [];
  const count = Math.ceil(3000 * scale);
  const recipient = (index: number): string => `user${index % userCount}@${target.domain}`;
  const seconds = await deliverAll(target.ports.smtp, messages('small', count, 13), {
    greeting: 'EHLO',
    recipient,
  });
  return [{ name: 'smtp 4 KB, 10 connections', value: count / seconds, unit: '/s', better: 'higher' }];
};
