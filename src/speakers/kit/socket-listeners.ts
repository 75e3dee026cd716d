// What a socket tells its owner. Listeners are functions shared by all sockets, so an idle session costs no closures.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { clientHelloKind } from '../../wire/tls/client-hello.ts';

export interface SocketOwner {
  received(chunk: Buffer): void;
  receivedEnd(): void;
  drained(): void;
  failed(error: Error): void;
  gone(): void;
  /** What a client begins TLS with, whole, or what it sent instead; undefined: its end. */
  helloCame(hello: Buffer | undefined): void;
  secured(): void;
}

type OwnedSocket = Socket & { connection: SocketOwner };

function onData(this: OwnedSocket, chunk: Buffer): void {
  this.connection.received(chunk);
}
function onEnd(this: OwnedSocket): void {
  this.connection.receivedEnd();
}
function onDrain(this: OwnedSocket): void {
  this.connection.drained();
}
function onError(this: OwnedSocket, error: Error): void {
  this.connection.failed(error);
}
function onClose(this: OwnedSocket): void {
  this.connection.gone();
}
function onSecure(this: OwnedSocket): void {
  this.connection.secured();
}

export function attach(socket: Socket, owner: SocketOwner): void {
  (socket as OwnedSocket).connection = owner;
  socket.on('data', onData);
  socket.on('end', onEnd);
  socket.on('drain', onDrain);
  socket.on('error', onError);
  socket.on('close', onClose);
  // Reading a PROXY header paused it.
  if (socket.isPaused()) socket.resume();
}

/** Nothing is read but the ClientHello, and what came with it. */
export function awaitHello(socket: Socket): void {
  let hello: Buffer | undefined;
  function onReadable(this: OwnedSocket): void {
    const bytes: Buffer | null = this.read();
    if (bytes !== null) {
      hello = hello === undefined ? bytes : Buffer.concat([hello, bytes]);
      if (clientHelloKind(hello) === 'incomplete') return;
    }
    this.removeListener('readable', onReadable);
    this.connection.helloCame(bytes === null ? undefined : hello);
  }
  socket.removeListener('data', onData);
  socket.on('readable', onReadable);
}

/** After `awaitHello`. */
export function readOn(socket: Socket): void {
  socket.on('data', onData);
  socket.resume();
}

export function attachSecure(secure: TLSSocket, owner: SocketOwner): void {
  // Handshake failures surface as _tlsError while no tls.Server owns the socket.
  secure.on('_tlsError', onError);
  secure.once('secure', onSecure);
  attach(secure, owner);
}

/** A TLS socket takes over; errors of the socket below, and an end that it read before, still end the connection. */
export function detach(clear: Socket): void {
  clear.removeListener('drain', onDrain);
  clear.removeListener('close', onClose);
  clear.pause();
}
