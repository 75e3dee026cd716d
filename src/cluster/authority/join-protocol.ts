// The words of joining, over one TLS connection with ALPN `rookery-join`: the server tells who the cluster's authorities
// are, the client checks them and asks, the server answers, and that is all. A frame is four bytes of length and JSON.
// Invariant: a frame is bounded, is read whole or not at all, and has exactly the shape of its schema; anything else ends
// the connection with a Fault.

import type { TLSSocket } from 'node:tls';
import { z } from 'zod';
import { Fault } from '../../base/fault.ts';

export const joinAlpn = 'rookery-join';
export const joinProtocolVersion = 1;

/** Two certificates, a request, database settings: a few KiB. */
export const frameBytesMax = 64 * 1024;
const headerBytes = 4;
const authoritiesMax = 8;
const pem = z.string().max(8 * 1024);

/** The server's first words: nothing that a stranger may not know. Clients skip versions they do not know. */
export const helloSchema = z.object({
  versions: z.array(z.int()).max(16),
  authorities: z.array(pem).min(1).max(authoritiesMax),
});

export const requestSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('join'),
    version: z.literal(joinProtocolVersion),
    token: z.string().max(64),
    secret: z.string().max(256),
    node: z.string().max(64),
    request: pem,
  }),
  /** With a client's certificate, whose node it is for. */
  z.strictObject({ type: z.literal('renew'), version: z.literal(joinProtocolVersion), request: pem }),
]);

const role = z.enum(['frontend', 'mx', 'backend']);

/** Where a node is reached over links. */
export const nodePlaceSchema = z.object({
  node: z.string().regex(/^[a-z0-9-]{1,63}$/),
  host: z.string().max(255),
  port: z.int().min(1).max(65_535),
});
export type NodePlace = z.output<typeof nodePlaceSchema>;
/** Any of them will do. */
export const nodePlacesMax = 64;

/** Loose: a newer server may say more. */
export const answerSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('certified'),
    cluster: z.string().max(64),
    roles: z.array(role).max(8),
    zone: z.string().max(64),
    certificate: pem,
    authorities: z.array(pem).min(1).max(authoritiesMax),
    /** How to reach the cell's engine; never for a node of the outer zone. */
    storage: z.record(z.string(), z.unknown()).optional(),
    /** For a node of the outer zone: whom it may ask. */
    nodes: z.array(nodePlaceSchema).max(nodePlacesMax).optional(),
  }),
  z.object({ type: z.literal('refused'), kind: z.string().max(64), message: z.string().max(1024) }),
]);

export type JoinRequest = z.output<typeof requestSchema>;
export type JoinAnswer = z.output<typeof answerSchema>;

export function encodeFrame(value: object): Buffer {
  const body = Buffer.from(JSON.stringify(value), 'utf8');
  if (body.length > frameBytesMax)
    throw new Fault('a join frame is larger than any can be', { temporary: false });
  const frame = Buffer.allocUnsafe(headerBytes + body.length);
  frame.writeUInt32BE(body.length);
  frame.set(body, headerBytes);
  return frame;
}

export type Frame =
  | { readonly outcome: 'incomplete' }
  | { readonly outcome: 'invalid' }
  | { readonly outcome: 'frame'; readonly value: unknown; readonly length: number };

/** Reads the frame at the start of `bytes`. */
export function decodeFrame(bytes: Buffer): Frame {
  if (bytes.length < headerBytes) return { outcome: 'incomplete' };
  const bodyBytes = bytes.readUInt32BE();
  if (bodyBytes > frameBytesMax) return { outcome: 'invalid' };
  const length = headerBytes + bodyBytes;
  if (bytes.length < length) return { outcome: 'incomplete' };
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8', headerBytes, length));
    return { outcome: 'frame', value, length };
  } catch {
    return { outcome: 'invalid' }; // no JSON
  }
}

/** Frames over a socket, one at a time. */
export class JoinChannel {
  readonly #socket: TLSSocket;
  #bytes: Buffer = Buffer.alloc(0);
  #ended: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('the connection was closed')));
    socket.on('end', () => this.#end(new Error('the connection was ended')));
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  send(value: object): void {
    this.#socket.write(encodeFrame(value));
  }

  /** The next frame. Rejects with a temporary Fault when the connection ends first, a lasting one when it is wrong. */
  async receive<Schema extends z.ZodType>(schema: Schema): Promise<z.output<Schema>> {
    for (;;) {
      const frame = decodeFrame(this.#bytes);
      if (frame.outcome === 'frame') {
        this.#bytes = this.#bytes.subarray(frame.length);
        const parsed = schema.safeParse(frame.value);
        if (parsed.success) return parsed.data;
      }
      if (frame.outcome !== 'incomplete')
        throw new Fault('the other side does not speak the join protocol', { temporary: false });
      if (this.#ended !== undefined)
        throw new Fault(`joining: ${this.#ended.message}`, { temporary: true, cause: this.#ended });
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #take(chunk: Buffer): void {
    // Nobody sends two frames ahead: what is more than one frame is a flood.
    if (this.#bytes.length + chunk.length > headerBytes + frameBytesMax) this.#socket.destroy();
    else this.#bytes = Buffer.concat([this.#bytes, chunk]);
    this.#wake?.();
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#wake?.();
  }
}
