// What a caller says first on a stream: which service and method, for whom, with what.
// Parsing fails with LinkProtocolError; the arguments are the service's to check.

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

const nameLengthMax = 64;

export function encodeRequest(request: LinkRequest): unknown {
  return [request.service, request.method, request.grant, request.arguments, request.answerBytes ?? 0];
}

/** By hand: every call of every session passes here. */
export function parseRequest(wire: unknown): LinkRequest {
  const [service, method, grant, given, answerBytes] = Array.isArray(wire) && wire.length === 5 ? wire : [];
  if (!isName(service) || !isName(method) || !isGrant(grant) || !isLength(answerBytes))
    throw new LinkProtocolError('a request that is none');
  return { service, method, grant, arguments: given, answerBytes };
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= nameLengthMax;
}

function isGrant(value: unknown): value is Uint8Array | undefined {
  return value === undefined || (value instanceof Uint8Array && value.length <= grantBytesMax);
}

function isLength(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
