// The works that the event loop's turns are measured with: everything long that a server does, one after the other. A work
// leaves nothing open.

import { administrationWorks } from './administration-works.ts';
import { mailboxWorks } from './mailbox-works.ts';
import { drainWork, nodeDrainWork, sessionWorks } from './session-works.ts';
import type { Work } from './work.ts';

const removal: Work = {
  name: 'removal of a large account',
  run: async ({ admin, target }, watch) => {
    await watch();
    await admin.call({ method: 'DELETE', path: `/api/accounts/small@${target.domain}` });
  },
};

export const works: readonly Work[] = [
  ...mailboxWorks,
  ...administrationWorks,
  ...sessionWorks,
  nodeDrainWork,
  removal,
  drainWork,
];
