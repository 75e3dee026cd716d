// The body of an HTTP message, held in memory up to a limit.

import type { IncomingMessage } from 'node:http';

/** Undefined: it is longer than that, and was not read to its end. */
export async function boundedBody(message: IncomingMessage, bytesMax: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
