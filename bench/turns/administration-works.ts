// Works that administrators start.

import { messages } from '../message-mix.ts';
import { password } from '../target.ts';
import type { Work } from './work.ts';

const accountCount = 10_000;

export const administrationWorks: readonly Work[] = [
  {
    name: 'hashing of passwords',
    run: async ({ admin, target }, watch) => {
      await watch();
      await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          admin.call({
            method: 'PUT',
            path: `/api/accounts/user${index}@${target.domain}/password`,
            body: { password },
          }),
        ),
      );
    },
  },
  {
    name: 'accounts added and listed',
    run: async ({ admin, target, scale }, watch) => {
      await watch();
      let next = 0;
      const count = Math.ceil(accountCount * scale);
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          while (next < count)
            await admin.call({
              method: 'POST',
              path: '/api/accounts',
              body: { address: `listed${next++}@${target.domain}` },
            });
        }),
      );
      for await (const _ of admin.items('/api/accounts', { limit: 1000 }));
    },
  },
  {
    name: 'store check',
    run: async ({ admin }, watch) => {
      await watch();
      const answer = await admin.open({ method: 'POST', path: '/api/store/check', body: { repair: true } });
      for await (const _ of answer);
    },
  },
  {
    name: 'export',
    run: async ({ admin, target }, watch) => {
      const path = `/api/accounts/small@${target.domain}/mailboxes`;
      const { items } = await admin.call<{ items: { id: number; name: string }[] }>({ path });
      const inbox = items.find(({ name }) => name === 'INBOX')!.id;
      await watch();
      let rows = 0;
      for await (const { uid } of admin.items<{ uid: number }>(`${path}/${inbox}/messages`, { limit: 1000 }))
        if (rows++ % 50 === 0) await admin.download({ path: `${path}/${inbox}/messages/${uid}` });
    },
  },
  {
    name: 'import',
    run: async ({ admin, target, scale }, watch) => {
      await watch();
      for (const body of messages('mix', Math.ceil(500 * scale), 9))
        await admin.call({
          method: 'POST',
          path: `/api/accounts/user1@${target.domain}/messages`,
          query: { mailbox: 'Imported', flags: '' },
          body,
        });
    },
  },
];
