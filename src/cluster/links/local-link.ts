// Links between the worker processes of one machine: Unix sockets, without TLS.
//
// Why that is as safe: the sockets lie in the data directory (mode 0700), each with mode 0600, so only processes of the
// server's own user reach them, and such a process can read the store and the workers' keys anyway. What TLS gives besides,
// that the caller is who he says and belongs here, a secret gives that the supervisor makes anew for each run and hands to
// its workers over their own channels: a worker that an earlier run left behind does not know it. Nothing leaves the
// machine, so there is nothing to encrypt for.
// Invariant: nothing is said to, and nothing beyond its first line read from, a caller that did not show the secret.

import { timingSafeEqual } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import type { NodeId } from '../../mail/ids.ts';

export interface LocalLinks {
  /** Of this worker's socket. */
  readonly path: string;
  /** Of this run, the same for all workers. */
  readonly secret: string;
}

/** What a caller says first: who it is, and the secret. */
const introductionPattern = /^rookery-worker ([a-z0-9-]{1,63}) ([0-9a-z]{16,64})$/;
const introductionBytesMax = 256;
const lineEnd = 0x0a;

export function formatIntroduction(node: NodeId, secret: string): string {
  return `rookery-worker ${node} ${secret}\n`;
}

/** A place in the file system, not on the network. */
export function isLocalPlace({ host }: { readonly host: string }): boolean {
  return host.startsWith('/');
}

/** A socket that an earlier process left is replaced: the caller holds the lock of this worker's directory. */
export async function listenLocally(server: Server, path: string): Promise<void> {
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path }, resolve);
  });
  chmodSync(path, 0o600);
}

export interface IntroductionOptions {
  readonly secret: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** The caller is this worker; what it said behind its introduction is still to be read. */
  readonly introduced: (socket: Socket, peer: NodeId, rest: Buffer) => void;
  readonly refused: (socket: Socket) => void;
}

export function createLocalServer(options: IntroductionOptions): Server {
  return createServer((socket) => {
    hearIntroduction(socket, options);
  });
}

function hearIntroduction(socket: Socket, options: IntroductionOptions): void {
  const { secret, timeoutMs, clock, introduced, refused } = options;
  let heard: Buffer = Buffer.alloc(0);
  const refuse = (): void => {
    stop();
    socket.on('error', () => {});
    socket.destroy();
    refused(socket);
  };
  const hear = (chunk: Buffer): void => {
    heard = heard.length === 0 ? chunk : Buffer.concat([heard, chunk]);
    const end = heard.indexOf(lineEnd);
    if (end < 0 && heard.length < introductionBytesMax) return;
    const peer = parseIntroduction(heard.toString('latin1', 0, Math.max(0, end)), secret);
    stop();
    if (peer === undefined) refuse();
    else introduced(socket, peer, heard.subarray(end + 1));
  };
  const timer = clock.after(timeoutMs, refuse);
  const stop = (): void => {
    timer.cancel();
    socket.off('data', hear);
    socket.off('error', refuse);
    socket.off('end', refuse);
  };
  socket.on('data', hear);
  socket.on('error', refuse);
  socket.on('end', refuse);
}

function parseIntroduction(line: string, secret: string): NodeId | undefined {
  const [, node, shown] = introductionPattern.exec(line) ?? [];
  if (node === undefined || shown?.length !== secret.length) return undefined;
  return timingSafeEqual(Buffer.from(shown), Buffer.from(secret)) ? (node as NodeId) : undefined;
}
