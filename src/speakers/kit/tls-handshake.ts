// The handshake of a TLS server, which is OpenSSL's. After one for TLS 1.3 (RFC 8446) OpenSSL has done its part and goes: its
// secrets protect the records from there on (wire/tls), so that an idle session costs what the keys take and not 45 KB. Older
// clients, and those who ask for records of another shape, stay with OpenSSL as long as they are connected.
// Invariants: the session sees nothing of a client whose Finished has not been verified; each record is opened or protected
// by one of the two, and which one that is the records say, not the order in which things happen: the client's are the
// session's behind its Finished, ours are when they open with the session's keys.

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { assert } from '../../base/assert.ts';
import { ClientFlight } from '../../wire/tls/client-flight.ts';
import { TlsAlert, TlsRecords } from '../../wire/tls/records.ts';
import {
  protectedRecord,
  recordHeaderBytes,
  sealedBytesMax,
  TrafficKeys,
} from '../../wire/tls/traffic-keys.ts';
import { ConnectionClosed } from './connection.ts';
import type { Pace } from './pace.ts';
import type { LoadedCertificate, TlsContexts } from './tls-contexts.ts';
import { TlsSession } from './tls-session.ts';

export interface TlsPolicy {
  readonly contexts: TlsContexts;
  /** Clients are asked for a certificate; they need not show one. */
  readonly asksForCertificate: boolean;
  /** The dear part of a handshake comes when the server's name is known. */
  readonly pace: Pace;
}

/** OpenSSL's side over a socket, or whatever carries its bytes. */
export class TlsServer {
  readonly socket: TLSSocket;
  #certificate: LoadedCertificate;

  constructor(below: Duplex, { contexts, asksForCertificate, pace }: TlsPolicy) {
    this.#certificate = contexts.certificateFor(undefined);
    const choose = (name: string, done: (error: null, context: LoadedCertificate['context']) => void): void =>
      pace(() => {
        this.#certificate = contexts.certificateFor(name);
        done(null, this.#certificate.context);
      });
    this.socket = new TLSSocket(below, {
      isServer: true,
      secureContext: this.#certificate.context,
      // With one, node would suspend every handshake and do the rest of all of them in one turn.
      ...(contexts.hasOneOnly ? {} : { SNICallback: choose }),
      requestCert: asksForCertificate,
      // Whoever has none, or one of somebody else's, may still know a password.
      rejectUnauthorized: false,
    });
  }

  /** After the handshake. */
  session(): TlsSession {
    return new TlsSession(this.socket, this.#certificate);
  }
}

/** What a handshake for TLS 1.3 leaves. */
export interface Secured {
  readonly session: TlsSession;
  readonly records: TlsRecords;
  /** Of the client, behind its handshake. */
  readonly more: Buffer;
}

const nothing = Buffer.alloc(0);

/** A handshake for TLS 1.3. Reads the socket while it lasts; its end, its errors and how long it may take are the owner's. */
export class Tls13Handshake {
  readonly #socket: Socket;
  /** OpenSSL's bytes go through our hands. */
  readonly #below: Duplex;
  readonly #server: TlsServer;
  /** By their names in SSLKEYLOGFILE (draft-ietf-tls-keylogfile), as OpenSSL agrees on them. */
  readonly #secrets = new Map<string, Buffer>();
  readonly #finished = Promise.withResolvers<void>();
  #flight: ClientFlight | undefined;
  #writing: TrafficKeys | undefined;
  #session: TlsSession | undefined;
  /** Of the client, from the first record that OpenSSL has not been given. */
  #inbound: Buffer = nothing;
  /** Of OpenSSL: the beginning of a record. */
  #outbound: Buffer = nothing;
  #isOver = false;
  #ended = false;

  constructor(socket: Socket, policy: TlsPolicy) {
    this.#socket = socket;
    this.#below = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        this.#try(() => this.#send(chunk));
        done();
      },
    });
    this.#server = new TlsServer(this.#below, policy);
  }

  /**
   * Resolves when both sides have verified each other's Finished; `hello` is what has come of the client. Rejects with a TlsAlert
   * when OpenSSL has failed, its alert sent, with ConnectionClosed when the socket closes or ends; anything else is a bug. The
   * socket is paused then.
   */
  async run(hello: Buffer): Promise<Secured> {
    const { socket } = this.#server;
    const received = (chunk: Buffer): void => this.#try(() => this.#received(chunk));
    const failed = (error: Error): void => this.#finished.reject(new TlsAlert(error.message));
    const gone = (): void => this.#finished.reject(new ConnectionClosed());
    socket.on('keylog', (line: Buffer) => this.#learn(line.toString('latin1')));
    socket.once('secure', () => this.#try(() => this.#secured())).once('close', gone);
    // Handshake failures surface as _tlsError while no tls.Server owns the socket.
    for (const event of ['_tlsError', 'error']) socket.on(event, failed);
    this.#socket.on('data', received).once('end', gone).once('close', gone);
    try {
      received(hello);
      this.#socket.resume();
      await this.#finished.promise;
      return this.#take();
    } finally {
      this.#socket.pause();
      this.#socket.off('data', received).off('end', gone).off('close', gone);
      this.#end();
    }
  }

  /** What goes wrong in what sockets call ends this handshake, not the process. */
  #try(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#finished.reject(error);
    }
  }

  #received(chunk: Buffer): void {
    const came = this.#inbound.length === 0 ? chunk : Buffer.concat([this.#inbound, chunk]);
    let end = 0;
    while (!this.#isOver) {
      const record = firstRecord(came.subarray(end));
      if (record === undefined) break;
      this.#flight ??= this.#flightOf(record);
      this.#isOver = this.#flight?.endsWith(record) ?? false;
      end += record.length;
    }
    // OpenSSL says at once what it does not like, and does not wait for as much as is announced.
    if (!this.#isOver && isNoHeader(came.subarray(end))) end = came.length;
    this.#inbound = came.subarray(end);
    if (end > 0) this.#below.push(came.subarray(0, end));
    // Nothing more is read until the handshake has ended.
    if (this.#isOver && this.#inbound.length > 0) this.#socket.pause();
  }

  #take(): Secured {
    const session = this.#session;
    assert(session?.protocol === 'TLSv1.3', `a handshake for TLS 1.3 ended with ${session?.protocol}`);
    const reading = this.#keys('CLIENT_TRAFFIC_SECRET_0');
    const writing = this.#writing ?? this.#keys('SERVER_TRAFFIC_SECRET_0');
    assert(reading !== undefined && writing !== undefined, 'secrets of the session');
    assert(this.#isOver && this.#outbound.length === 0, 'the handshake has ended, and all of it is sent');
    return { session, records: new TlsRecords(reading, writing), more: this.#inbound };
  }

  /** OpenSSL goes; what it still has to say is its farewell, which is not said. */
  #end(): void {
    this.#ended = true;
    for (const secret of this.#secrets.values()) secret.fill(0);
    this.#secrets.clear();
    this.#server.socket.destroy();
    this.#below.destroy();
  }

  #secured(): void {
    // Now: asking for the client's certificate takes what OpenSSL has against it from the queue of errors, where the next
    // read would take it for its own.
    this.#session = this.#server.session();
    // Tickets may be on their way to us: the empty write ends when they are through.
    this.#server.socket.write(nothing, (error) =>
      error ? this.#finished.reject(new TlsAlert(error.message)) : this.#finished.resolve(),
    );
  }

  #learn(line: string): void {
    const [name, , secret] = line.trim().split(' ');
    if (name !== undefined && secret !== undefined) this.#secrets.set(name, Buffer.from(secret, 'hex'));
  }

  #keys(name: string): TrafficKeys | undefined {
    const secret = this.#secrets.get(name);
    return secret === undefined ? undefined : new TrafficKeys(this.#server.socket.getCipher().name, secret);
  }

  #flightOf(record: Buffer): ClientFlight | undefined {
    const keys = record[0] === protectedRecord ? this.#keys('CLIENT_HANDSHAKE_TRAFFIC_SECRET') : undefined;
    return keys === undefined ? undefined : new ClientFlight(keys);
  }

  /** Tickets for later sessions (RFC 8446 4.6.1) are records of this session, and count. */
  #send(chunk: Buffer): void {
    if (this.#ended) return;
    this.#socket.write(chunk);
    this.#outbound = this.#outbound.length === 0 ? chunk : Buffer.concat([this.#outbound, chunk]);
    for (;;) {
      const record = firstRecord(this.#outbound);
      if (record === undefined) return;
      this.#outbound = this.#outbound.subarray(record.length);
      if (record[0] !== protectedRecord) continue;
      this.#writing ??= this.#keys('SERVER_TRAFFIC_SECRET_0');
      if (this.#writing?.peek(record) !== undefined) this.#writing.skip();
    }
  }
}

/** Of no record that a client may send in a handshake. */
function isNoHeader(bytes: Buffer): boolean {
  if (bytes.length < recordHeaderBytes) return false;
  const type = bytes[0]!;
  return type < 20 || type > protectedRecord || bytes[1] !== 3 || bytes.readUInt16BE(3) > sealedBytesMax;
}

function firstRecord(bytes: Buffer): Buffer | undefined {
  if (bytes.length < recordHeaderBytes) return undefined;
  const end = recordHeaderBytes + bytes.readUInt16BE(3);
  return bytes.length < end ? undefined : bytes.subarray(0, end);
}
