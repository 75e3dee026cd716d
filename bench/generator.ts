// The load generator: a process of its own, so that its work is not done on the servers' or the runner's event loop.

import { messageCount, openMailbox } from './mailbox.ts';
import type { TargetPlace } from './target.ts';
import { fairness } from './workloads/fairness.ts';
import { imapAppend } from './workloads/imap-append.ts';
import { imapFetch } from './workloads/imap-fetch.ts';
import {
  type IdleSessions,
  measureNotification,
  type Notification,
  openIdleSessions,
} from './workloads/imap-idle.ts';
import { imapLarge } from './workloads/imap-large.ts';
import { imapLogin } from './workloads/imap-login.ts';
import { fillForSearch, imapSearch } from './workloads/imap-search.ts';
import { fillForSelect, imapSelect } from './workloads/imap-select.ts';
import { imapStore } from './workloads/imap-store.ts';
import { lmtp } from './workloads/lmtp.ts';
import { pop3 } from './workloads/pop3.ts';
import { smtp } from './workloads/smtp.ts';
import type { Figure, Workload } from './workloads/workload.ts';

const workloads: Record<string, Workload> = {
  lmtp,
  smtp,
  'imap-login': imapLogin,
  'imap-append': imapAppend,
  'imap-fetch': imapFetch,
  'imap-search': imapSearch,
  'imap-store': imapStore,
  'imap-select': imapSelect,
  'imap-large': imapLarge,
  fairness,
  pop3,
};

export type GeneratorRequest =
  | { readonly type: 'run'; readonly workload: string; readonly target: TargetPlace; readonly scale: number }
  | { readonly type: 'fillForSelect'; readonly target: TargetPlace; readonly scale: number }
  | { readonly type: 'fillForSearch'; readonly target: TargetPlace; readonly scale: number }
  | { readonly type: 'openIdle'; readonly target: TargetPlace; readonly sessions: IdleSessions }
  | { readonly type: 'openMailbox'; readonly target: TargetPlace; readonly user: string }
  | { readonly type: 'notify'; readonly target: TargetPlace; readonly notification: Notification };
export type GeneratorAnswer = { readonly figures: readonly Figure[] } | { readonly error: string };

async function answer(request: GeneratorRequest): Promise<readonly Figure[]> {
  const { target } = request;
  switch (request.type) {
    case 'run': {
      const workload = workloads[request.workload];
      if (workload === undefined) throw new Error(`there is no workload ${request.workload}`);
      return workload(target, { scale: request.scale });
    }
    case 'notify':
      return measureNotification(target, request.notification);
    case 'fillForSelect':
      await fillForSelect(target, request.scale);
      return [];
    case 'fillForSearch':
      await fillForSearch(target, request.scale);
      return [];
    case 'openMailbox':
      return [await openToStay(target, request.user)];
    case 'openIdle':
      await openIdleSessions(target, request.sessions);
      return [];
  }
}

/** The session stays open as long as this process lives. */
async function openToStay(target: TargetPlace, user: string): Promise<Figure> {
  const client = await openMailbox(target, user);
  return { name: 'messages', value: await messageCount(client), unit: '', better: 'higher' };
}

process.on('message', (request: GeneratorRequest) => {
  answer(request).then(
    (figures) => process.send?.({ figures } satisfies GeneratorAnswer),
    (error: Error) => process.send?.({ error: error.stack ?? error.message } satisfies GeneratorAnswer),
  );
});
