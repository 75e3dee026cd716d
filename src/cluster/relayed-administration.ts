// Requests of the admin API that one node carries to another over their link: HTTP as values. A node of the outer zone
// carries what its clients send to a node of the inner zone; a node of the inner zone to the one that an administrator names.
// Invariants: the node asked checks the token in the request itself; that a node vouches for its operator is believed of
// nodes of the inner zone only, which have the engine and could do everything anyway. Requests and answers are bounded.
// Refuses with permissionDenied; whatever is wrong with the request itself is in the answer's status.

import { z } from 'zod';
import type { NodeId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import { type AnswerOf, parseMethodQuestion, type QuestionOf } from './frontend/link-protocol.ts';
import type { LinkService } from './links/serving-link.ts';

export const administrationServiceName = 'administration';
export const administrationMethod = 'request';

/** What the admin API takes in JSON. Messages are imported and exported at the nodes themselves. */
export const relayedBodyBytesMax = 1024 * 1024;
/** A page of a listing, or all of a node's metrics. */
export const relayedAnswerBytesMax = 8 * 1024 * 1024;

/** As long as Node takes a request's line and fields. */
const textCharactersMax = 16 * 1024;
const text = z.string().max(textCharactersMax);
/** A node of another version may carry more of them than this one. */
const fieldsMax = 64;
/** By hand: zod looks at all of a million, one by one, before it counts them. */
const fields = z.custom<Record<string, string>>((value) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  let left = fieldsMax;
  for (const name in value) {
    const said: unknown = (value as Record<string, unknown>)[name];
    if (left-- === 0 || typeof said !== 'string' || said.length > textCharactersMax) return false;
  }
  return true;
});
const body = z.custom<Uint8Array>((value) => value instanceof Uint8Array);

export const administrationProtocol = {
  [administrationMethod]: {
    question: z.object({
      method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']),
      /** Path and query. */
      url: text.startsWith('/'),
      /** Those of `relayedFields` that the client sent. */
      fields,
      body: body.refine(({ length }) => length <= relayedBodyBytesMax).optional(),
      /** Of the client. */
      remoteAddress: z.string().max(255),
      /** It came over the socket of the node that carries it. */
      isOperator: z.boolean(),
    }),
    answer: z.object({
      status: z.int().min(100).max(599),
      fields,
      body: body.refine(({ length }) => length <= relayedAnswerBytesMax),
    }),
  },
} as const;

/** Fields of requests and answers that are carried; all others are between two neighbours. */
export const relayedFields = [
  'accept',
  'authorization',
  'content-type',
  'idempotency-key',
  'idempotency-replayed',
  'www-authenticate',
] as const;

export type RelayedRequest = QuestionOf<typeof administrationProtocol, typeof administrationMethod>;
export type RelayedAnswer = AnswerOf<typeof administrationProtocol, typeof administrationMethod>;

/** The admin API of this node. */
export type AnswerAdministration = (
  request: RelayedRequest,
  from: { readonly peer: NodeId; readonly isOuter: boolean },
) => Promise<RelayedAnswer>;

export interface AdministrationServiceOptions {
  readonly answer: AnswerAdministration;
  /** Throws what the peer is refused with; the peers of the service are all of the outer zone, or none is. */
  readonly authorize: (peer: NodeId) => void;
  readonly isOuter: boolean;
}

export function openAdministrationService(options: AdministrationServiceOptions): LinkService {
  const { answer, authorize, isOuter } = options;
  return async ({ method, held, peer, arguments: given }) => {
    authorize(peer);
    if (method !== administrationMethod || held)
      throw new MailError('permissionDenied', `administration has no ${method}`);
    const request = parseMethodQuestion(administrationProtocol, administrationMethod, given);
    if (isOuter && request.isOperator)
      throw new MailError('permissionDenied', 'a node of the outer zone vouches for nobody');
    return answer(request, { peer, isOuter });
  };
}

/** Those of the fields that are carried. */
export function carriedFields(
  fields: Readonly<Record<string, string | string[] | number | undefined>>,
): Record<string, string> {
  const carried: Record<string, string> = {};
  for (const name of relayedFields) {
    const value = fields[name];
    if (value !== undefined) carried[name] = String(value);
  }
  return carried;
}
