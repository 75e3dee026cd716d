// Whether a request was made on this machine. What a proxy on it passes on for somebody else was not.

import type { IncomingHttpHeaders } from 'node:http';

export function isLocalRequest(remoteAddress: string, headers: IncomingHttpHeaders): boolean {
  if (headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined) return false;
  return remoteAddress === '::1' || /^(?:::ffff:)?127\./.test(remoteAddress);
}
