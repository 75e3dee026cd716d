// The load generator: a process of its own, so that its work is not done on the servers' or the runner's event loop.

import type { TargetPlace } from './target.ts';
import { fairness } from './workloads/fairness.ts';
import { imapAppend } from './workloads/imap-append.ts';
import { imapFetch } from './workloads/imap-fetch.ts';
import { measureNotification, openIdleSessions } from './workloads/imap-idle.ts';
import { imapLarge } from './workloads/imap-large.ts';
import { imapLogin } from './workloads/imap-login.ts';
import { imapSearch } from './workloads/imap-search.ts';
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
  | { readonly type: 'openIdle'; readonly target: TargetPlace; readonly count: number }
  | { readonly type: 'notify'; readonly target: TargetPlace; readonly rounds: number };
export type GeneratorAnswer = { readonly figures: readonly Figure[] } | { readonly error: string };

async function answer(request: GeneratorRequest): Promise<readonly Figure[]> {
  if (request.type === 'run') {
    const workload = workloads[request.workload];
    if (workload === undefined) throw new Error(`there is no workload ${request.workload}`);
    return workload(request.target, { scale: request.scale });
  }
  if (request.type === 'notify') return measureNotification(request.target, request.rounds);
  if (request.type === 'fillForSelect') {
    await fillForSelect(request.target, request.scale);
    return [];
  }
  await openIdleSessions(request.target, request.count);
  return [];
}

process.on('message', (request: GeneratorRequest) => {
  answer(request).then(
    (figures) => process.send?.({ figures } satisfies GeneratorAnswer),
    (error: Error) => process.send?.({ error: error.stack ?? error.message } satisfies GeneratorAnswer),
  );
});
