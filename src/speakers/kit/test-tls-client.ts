// For tests: a TLS 1.3 client whose handshake is Node's and whose records are the test's, so that it can send what no client sends. Its
// Finished waits until the test sends it. Not part of the program.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import {
  contentTypes,
  type OpenedRecord,
  ReferenceKeys,
  type SuiteName,
} from '../../wire/tls/test-reference-keys.ts';

export interface TlsTestClientOptions extends ConnectionOptions {
  /** Bytes of the handshake on their way to the server. */
  readonly sending?: (bytes: Buffer, socket: Socket) => void;
}

export class TlsTestClient {
  readonly socket: Socket;
  /** Of the session, in both directions. */
  readonly writing: ReferenceKeys;
  readonly reading: ReferenceKeys;
  /** For records that go before or instead of the Finished. */
  readonly handshakeKeys: ReferenceKeys;
  /** The client's last flight as Node made it: with it the session begins. */
  readonly finished: Buffer;
  #received: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: (() => void) | undefined;

  private constructor(
    socket: Socket,
    suite: SuiteName,
    secrets: ReadonlyMap<string, Buffer>,
    finished: Buffer,
  ) {
    this.socket = socket;
    this.finished = finished;
    this.writing = new ReferenceKeys(suite, secrets.get('CLIENT_TRAFFIC_SECRET_0')!);
    this.reading = new ReferenceKeys(suite, secrets.get('SERVER_TRAFFIC_SECRET_0')!);
    this.handshakeKeys = new ReferenceKeys(suite, secrets.get('CLIENT_HANDSHAKE_TRAFFIC_SECRET')!);
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    for (const event of ['end', 'close'])
      socket.on(event, () => {
        this.#ended = true;
        this.#wake?.();
      });
  }

  /** Up to the client's Finished, which is held back. Rejects when the handshake fails, or the server ends it. */
  static async shakeHands(port: number, options: TlsTestClientOptions = {}): Promise<TlsTestClient> {
    const socket = connectSocket({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    return await TlsTestClient.upgrade(socket, options);
  }

  /** The same over a socket on which the server has agreed to TLS. */
  static async upgrade(socket: Socket, options: TlsTestClientOptions = {}): Promise<TlsTestClient> {
    const { sending = (bytes: Buffer) => socket.write(bytes), ...more } = options;
    const done = Promise.withResolvers<Buffer>();
    const secrets = new Map<string, Buffer>();
    const held: Buffer[] = [];
    const below = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, written) => {
        if (!secrets.has('CLIENT_TRAFFIC_SECRET_0')) sending(chunk, socket);
        else held.push(chunk);
        // Behind a ChangeCipherSpec, or not.
        const sent = Buffer.concat(held);
        if (sent.includes(Buffer.of(contentTypes.data, 3, 3))) done.resolve(sent);
        written();
      },
    });
    const receive = (chunk: Buffer): void => void below.push(chunk);
    const fail = (): void => done.reject(new Error('the server ended the handshake'));
    socket.on('data', receive).on('end', fail).on('close', fail).on('error', done.reject);
    const secure = connectTls({ socket: below, rejectUnauthorized: false, minVersion: 'TLSv1.3', ...more });
    secure.on('error', done.reject);
    secure.on('keylog', (line: Buffer) => {
      const [name, , secret] = line.toString('latin1').trim().split(' ');
      secrets.set(name!, Buffer.from(secret!, 'hex'));
    });
    try {
      const finished = await done.promise;
      return new TlsTestClient(socket, secure.getCipher().name as SuiteName, secrets, finished);
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      socket.off('data', receive).off('end', fail).off('close', fail).off('error', done.reject);
      socket.on('error', () => {});
      secure.destroy();
    }
  }

  /** With its session begun. */
  static async connect(port: number, options: TlsTestClientOptions = {}): Promise<TlsTestClient> {
    const client = await TlsTestClient.shakeHands(port, options);
    client.socket.write(client.finished);
    return client;
  }

  sealData(text: string | Uint8Array): Buffer {
    return this.writing.seal(contentTypes.data, text);
  }

  write(text: string): void {
    this.socket.write(this.sealData(text));
  }

  /** The next record of the server; undefined at its end. A server that sends what does not open has failed the test. */
  async record(): Promise<OpenedRecord | undefined> {
    for (;;) {
      const length =
        this.#received.length < 5 ? Number.POSITIVE_INFINITY : 5 + this.#received.readUInt16BE(3);
      if (this.#received.length >= length) {
        const record = this.#received.subarray(0, length);
        this.#received = this.#received.subarray(length);
        return this.reading.open(record);
      }
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** What the session says next, in one record; tickets before it are passed over. */
  async data(): Promise<string> {
    for (;;) {
      const record = await this.record();
      assert(record !== undefined, 'the server has ended');
      if (record.type === contentTypes.data) return record.content.toString('latin1');
      assert.equal(record.type, contentTypes.handshake);
    }
  }

  /** Everything up to the end: what the session said, and the server's alerts (their descriptions). */
  async rest(): Promise<{ data: string; alerts: number[] }> {
    const alerts: number[] = [];
    let data = '';
    for (let record = await this.record(); record !== undefined; record = await this.record()) {
      if (record.type === contentTypes.data) data += record.content.toString('latin1');
      if (record.type === contentTypes.alert) alerts.push(record.content[1]!);
    }
    return { data, alerts };
  }

  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, 'close');
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
