// What a socket tells its owner. Listeners are functions shared by all sockets, so an idle session costs no closures.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

export interface SocketOwner {
  received(chunk: Buffer): void;
  receivedEnd(): void;
  drained(): void;
  failed(error: Error): void;
  gone(): void;
  /** The first bytes of a TLS handshake, or the peer's end, are there to be read. */
  handshakeCame(): void;
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
function onHandshake(this: OwnedSocket): void {
  this.connection.handshakeCame();
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

/** Nothing more is read: what comes next is for the TLS socket. */
export function awaitHandshake(socket: Socket): void {
  socket.removeListener('data', onData);
  socket.once('readable', onHandshake);
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
