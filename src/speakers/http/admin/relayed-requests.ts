// Answers requests of the admin API that other nodes carry here over links, as this node's own listeners would: the same
// routes, in apps that listen nowhere, made when the first request comes.
// Invariant: a token is verified here; what comes through the outer zone reaches only the areas that are open to it
// (administration.outer_frontends), and is never the operator.
// An app that cannot be made fails the request that needed it, and the next one makes it anew.
// Refuses with limitReached (too many at a time), unavailable (the server stops) and messageTooLarge (an answer that is too
// long to be carried).

import { BoundedCounts } from '../../../base/bounded-counts.ts';
import {
  type AnswerAdministration,
  carriedFields,
  type RelayedAnswer,
  type RelayedRequest,
  relayedAnswerBytesMax,
} from '../../../cluster/relayed-administration.ts';
import type { NodeId } from '../../../mail/ids.ts';
import { MailError } from '../../../mail/mail-error.ts';
import type { AdminApp } from './admin-server.ts';

/** Administrators are few; each request may hold a body and an answer in memory. Of each kind, so that nobody keeps another out. */
const requestsMax = 64;
/** Of these, those of one node of the outer zone, over all of its links. */
const outerNodeRequestsMax = 16;

/** By it an app knows the node of the outer zone that carried a request. No node and no client sends it. */
export const frontendField = 'rookery-frontend';

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
  const ofOuterNodes = new BoundedCounts<NodeId>();
  let isClosed = false;
  const appFor = (kind: keyof RelayedApps): Promise<AdminApp> => {
    const known = opened.get(kind);
    if (known !== undefined) return known;
    const app = apps[kind]();
    opened.set(kind, app);
    // Whoever asked hears of it.
    app.catch(() => opened.delete(kind));
    return app;
  };
  return {
    answer: async (request, { peer, isOuter }) => {
      if (isClosed) throw new MailError('unavailable', 'the server is stopping');
      const kind = isOuter ? 'outer' : request.isOperator ? 'operator' : 'inner';
      if (underWay[kind] >= requestsMax || (isOuter && !ofOuterNodes.begin(peer, outerNodeRequestsMax)))
        throw new MailError('limitReached', 'too many requests of other nodes are under way');
      underWay[kind]++;
      try {
        return await inject(await appFor(kind), request, isOuter ? { [frontendField]: peer } : {});
      } finally {
        underWay[kind]--;
        if (isOuter) ofOuterNodes.end(peer);
      }
    },
    close: async () => {
      isClosed = true;
      const made = await Promise.allSettled(opened.values());
      await Promise.all(made.map(async (app) => app.status === 'fulfilled' && app.value.close()));
    },
  };
}

async function inject(
  app: AdminApp,
  request: RelayedRequest,
  ownFields: Readonly<Record<string, string>>,
): Promise<RelayedAnswer> {
  const { method, url, fields, body, remoteAddress } = request;
  const answered = await app.inject({
    method,
    url,
    // What this node did not choose to be carried does not count.
    headers: { ...carriedFields(fields), ...ownFields },
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
