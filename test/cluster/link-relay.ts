// A TCP relay in front of a node's link listener, in which a test cuts the links of some nodes to it. A cut is what a
// network does: bytes stop, nobody is told; mended, they go on. Who calls is read from /proc, as the bytes are TLS.
// What it carries is never changed. When an end closes, the other is closed.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Carried {
  readonly caller: Socket;
  readonly called: Socket;
  readonly callerPid: number | undefined;
  isCut: boolean;
}

export interface RelayTarget {
  readonly host: string;
  readonly port: number;
}

export class LinkRelay {
  readonly #server: Server;
  readonly #host: string;
  /** Process ids of the nodes there are. */
  readonly #pids: () => readonly number[];
  readonly #carried = new Set<Carried>();
  readonly #cutPids = new Set<number>();
  #port = 0;
  /** Undefined while the node is down. */
  target: RelayTarget | undefined;

  private constructor(host: string, pids: () => readonly number[]) {
    this.#host = host;
    this.#pids = pids;
    this.#server = createServer((caller) => this.#carry(caller));
  }

  static async open(host: string, pids: () => readonly number[]): Promise<LinkRelay> {
    const relay = new LinkRelay(host, pids);
    await new Promise<void>((resolve, reject) => {
      relay.#server.once('error', reject).listen({ host, port: 0 }, resolve);
    });
    const address = relay.#server.address();
    relay.#port = typeof address === 'object' && address !== null ? address.port : 0;
    return relay;
  }

  get address(): string {
    return `${this.#host}:${this.#port}`;
  }

  /** Connections that it carries now. */
  get connections(): number {
    return this.#carried.size;
  }

  cut(callerPid: number): void {
    this.#cutPids.add(callerPid);
    for (const carried of this.#carried) if (carried.callerPid === callerPid) hold(carried);
  }

  mend(callerPid: number): void {
    this.#cutPids.delete(callerPid);
    for (const carried of this.#carried) if (carried.callerPid === callerPid) release(carried);
  }

  close(): void {
    for (const { caller, called } of this.#carried) {
      caller.destroy();
      called.destroy();
    }
    this.#server.close();
  }

  #carry(caller: Socket): void {
    caller.on('error', () => {});
    if (this.target === undefined) {
      caller.destroy();
      return;
    }
    const callerPid = ownerOf(caller, this.#pids());
    const called = connect({ ...this.target, noDelay: true });
    caller.setNoDelay(true);
    const carried: Carried = { caller, called, callerPid, isCut: false };
    this.#carried.add(carried);
    called.on('error', () => {});
    caller.on('close', () => {
      called.destroy();
      this.#carried.delete(carried);
    });
    called.on('close', () => caller.destroy());
    caller.pipe(called);
    called.pipe(caller);
    if (callerPid !== undefined && this.#cutPids.has(callerPid)) hold(carried);
  }
}

function hold(carried: Carried): void {
  if (carried.isCut) return;
  carried.isCut = true;
  carried.caller.unpipe(carried.called).pause();
  carried.called.unpipe(carried.caller).pause();
}

function release(carried: Carried): void {
  if (!carried.isCut) return;
  carried.isCut = false;
  carried.caller.pipe(carried.called);
  carried.called.pipe(carried.caller);
}

/** Which of these processes has the other end of a loopback connection. */
function ownerOf(accepted: Socket, pids: readonly number[]): number | undefined {
  const far = `${hexOf(accepted.remoteAddress!)}:${portHex(accepted.remotePort!)}`;
  const near = `${hexOf(accepted.localAddress!)}:${portHex(accepted.localPort!)}`;
  const line = readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
    .find((fields) => fields[1] === far && fields[2] === near);
  const inode = line?.[9];
  return inode === undefined ? undefined : pids.find((pid) => hasSocket(pid, inode));
}

const portHex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');

/** As /proc/net/tcp writes it: little-endian. */
function hexOf(address: string): string {
  const bytes = address.replace('::ffff:', '').split('.').map(Number);
  return Buffer.from(bytes.reverse()).toString('hex').toUpperCase();
}

function hasSocket(pid: number, inode: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some(
      (fd) => linkOf(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`,
    );
  } catch {
    return false; // it has ended
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // closed meanwhile
  }
}
