// Answers requests of the admin API that other nodes carry here over links, as this node's own listeners would: the same
// routes, in apps that listen nowhere, made when the first request comes.
// Invariant: a token is verified here; what comes through the outer zone reaches only the areas that are open to it
// (administration.outer_frontends), and is never the operator.
// Refuses with limitReached (too many at a time), unavailable (the server stops) and messageTooLarge (an answer that is too
// long to be carried).

import {
  type AnswerAdministration,
  carriedFields,
  type RelayedAnswer,
  type RelayedRequest,
  relayedAnswerBytesMax,
} from '../../../cluster/relayed-administration.ts';
import { MailError } from '../../../mail/mail-error.ts';
import type { AdminApp } from './admin-server.ts';

/** Administrators are few; each request may hold a body and an answer in memory. Of each kind, so that nobody keeps another out. */
const requestsMax = 64;

export interface RelayedApps {
  /** For an operator at another node's socket. */
  readonly operator: () => Promise<AdminApp>;
  /** For whoever shows a token at another node of the inner zone. */
  readonly inner: () => Promise<AdminApp>;
  readonly outer: () => Promise<AdminApp>;
}

export interface RelayedRequests {
  readonly answer: AnswerAdministration;
  close(): Promise<void>;
}

export function openRelayedRequests(apps: RelayedApps): RelayedRequests {
  const opened = new Map<keyof RelayedApps, Promise<AdminApp>>();
  const underWay = { operator: 0, inner: 0, outer: 0 };
  let isClosed = false;
  const appFor = (kind: keyof RelayedApps): Promise<AdminApp> => {
    const app = opened.get(kind) ?? apps[kind]();
    opened.set(kind, app);
    return app;
  };
  return {
    answer: async (request, { isOuter }) => {
      if (isClosed) throw new MailError('unavailable', 'the server is stopping');
      const kind = isOuter ? 'outer' : request.isOperator ? 'operator' : 'inner';
      if (underWay[kind] >= requestsMax)
        throw new MailError('limitReached', 'too many requests of other nodes are under way');
      underWay[kind]++;
      try {
        return await inject(await appFor(kind), request);
      } finally {
        underWay[kind]--;
      }
    },
    close: async () => {
      isClosed = true;
      await Promise.all([...opened.values()].map(async (app) => (await app).close()));
    },
  };
}

async function inject(app: AdminApp, request: RelayedRequest): Promise<RelayedAnswer> {
  const { method, url, fields, body, remoteAddress } = request;
  const answered = await app.inject({
    method,
    url,
    // What this node did not choose to be carried does not count.
    headers: carriedFields(fields),
    remoteAddress,
    ...(body === undefined ? {} : { payload: Buffer.from(body) }),
  });
  if (answered.rawPayload.length > relayedAnswerBytesMax)
    throw new MailError('messageTooLarge', 'this answer is too long to be carried: ask the node itself');
  return {
    status: answered.statusCode,
    fields: carriedFields(answered.headers),
    body: answered.rawPayload,
  };
}
