// A link made by hand, with a certificate of the cluster: says frames as it likes, that it lives among them, and reads for as
// long as it likes.

import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { systemClock, type Timer } from '../../src/base/clock.ts';
import type { LinkCredentials } from '../../src/cluster/link-credentials.ts';
import {
  beginFrame,
  controlFrame,
  dataBytesMax,
  FrameReader,
  type FrameType,
  frameTypes,
  writeFrameHeader,
} from '../../src/cluster/links/frame.ts';
import { encodeHello, linkVersions } from '../../src/cluster/links/hello.ts';
import { linkLimitsDefault } from '../../src/cluster/links/link-limits.ts';
import { encodeRequest, type LinkRequest } from '../../src/cluster/links/link-request.ts';
import { clientTlsOptions } from '../../src/cluster/links/link-tls.ts';
import { encodeValue } from '../../src/cluster/links/link-value.ts';
import type { NodeId } from '../../src/mail/ids.ts';

interface Called {
  readonly port: number;
  readonly node?: string;
  readonly host?: string;
  /** What it takes of answers before it gives credit, which it never does. */
  readonly windowBytes?: number;
}

export class HostileLink implements Disposable {
  readonly #socket: TLSSocket;
  /** Bytes of answers that it has read. */
  bytesRead = 0;
  #pongs = 0;
  #timer: Timer | undefined;
  #heard: () => void = () => {};

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    const reader = new FrameReader({
      control: (type: FrameType) => {
        if (type === frameTypes.pong) this.#pongs++;
        this.#heard();
      },
      data: (_stream, piece) => {
        this.bytesRead += piece.length;
      },
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => this.#heard());
  }

  /** Greeted. */
  static async open(
    credentials: LinkCredentials,
    { port, node = 'called', host = '127.0.0.1', windowBytes = linkLimitsDefault.linkWindowBytes }: Called,
  ): Promise<HostileLink> {
    const socket = connect({ ...clientTlsOptions(credentials, node as NodeId), host, port });
    await once(socket, 'secureConnect');
    const link = new HostileLink(socket);
    const { callsMax } = linkLimitsDefault;
    const windows = { streamWindowBytes: windowBytes, linkWindowBytes: windowBytes };
    const hello = encodeHello({ versions: linkVersions, ...windows, callsMax });
    link.send(controlFrame(frameTypes.hello, 0, hello));
    await link.#turn(() => true);
    link.#live();
    return link;
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  send(...frames: readonly Buffer[]): void {
    this.#socket.write(Buffer.concat(frames));
  }

  /** Begins a request of so many bytes, and says no more of it. */
  begin(stream: number, bytes: number): void {
    this.send(beginFrame(stream, { last: true, held: false, headerBytes: 9, bodyBytes: bytes - 9 }));
  }

  /** A whole request. */
  ask(stream: number, request: LinkRequest): void {
    const { header, bodies } = encodeValue(encodeRequest(request));
    this.say(stream, header, Buffer.concat(bodies));
  }

  /** A whole message, of these bytes. */
  say(stream: number, header: Buffer, body: Buffer = Buffer.alloc(0)): void {
    const all = Buffer.concat([header, body]);
    this.send(
      beginFrame(stream, { last: true, held: false, headerBytes: header.length, bodyBytes: body.length }),
    );
    for (let at = 0; at < all.length; at += dataBytesMax) {
      const piece = all.subarray(at, at + dataBytesMax);
      const head = Buffer.alloc(9);
      writeFrameHeader(head, 0, { type: frameTypes.data, stream, length: piece.length });
      this.send(head, piece);
    }
  }

  /** Resolves when the node has taken in what was said before. */
  async heard(): Promise<void> {
    const before = this.#pongs;
    this.send(controlFrame(frameTypes.ping, 0));
    await this.#turn(() => this.#pongs > before);
  }

  stopReading(): void {
    this.#socket.pause();
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#socket.destroy();
  }

  #live(): void {
    this.send(controlFrame(frameTypes.pong, 0));
    this.#timer = systemClock.after(linkLimitsDefault.pingAfterMs, () => this.#live());
  }

  async #turn(isSo: () => boolean): Promise<void> {
    do {
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    } while (!isSo() && this.isOpen);
  }
}
