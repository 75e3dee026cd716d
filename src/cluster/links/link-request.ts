// What a caller says first on a stream: which service and method, for whom, with what.
// Parsing fails with LinkProtocolError; the arguments are the service's to check.

import { z } from 'zod';
import { LinkProtocolError } from './frame.ts';

export interface LinkRequest {
  readonly service: string;
  readonly method: string;
  readonly arguments: unknown;
  /** What the answer may have at the most, where that is known and large: the called side makes room for it. */
  readonly answerBytes?: number;
  /** Proves for whom the caller acts: a session grant, for nodes that may act for nobody else. Opaque here. */
  readonly grant: Uint8Array | undefined;
}

/** A grant is a signed statement of some hundred bytes. */
const grantBytesMax = 4096;

const name = z.string().min(1).max(64);
const schema = z.tuple([
  name,
  name,
  z
    .instanceof(Uint8Array)
    .refine((grant) => grant.length <= grantBytesMax)
    .optional(),
  z.unknown(),
  z.number().int().min(0),
]);

export function encodeRequest(request: LinkRequest): unknown {
  return [request.service, request.method, request.grant, request.arguments, request.answerBytes ?? 0];
}

export function parseRequest(wire: unknown): LinkRequest {
  const parsed = schema.safeParse(wire);
  if (!parsed.success) throw new LinkProtocolError('a request that is none');
  const [service, method, grant, given, answerBytes] = parsed.data;
  return { service, method, grant, arguments: given, answerBytes };
}
