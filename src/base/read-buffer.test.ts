import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { ReadBuffer } from './read-buffer.ts';

/** What the listener had of `sent`, as copies, and where in memory it began each time. */
async function received(readBuffer: ReadBuffer, sent: Uint8Array) {
  const server = createServer((socket) => socket.end(sent));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const pieces: Buffer[] = [];
  const places = new Set<number>();
  readBuffer.listen((piece) => {
    pieces.push(Buffer.from(piece));
    places.add(piece.byteOffset);
  });
  const { port } = server.address() as AddressInfo;
  const socket: Socket = connect({ host: '127.0.0.1', port, onread: readBuffer.onread });
  await once(socket, 'close');
  server.close();
  return { pieces, places };
}

test('all that comes is told in order, in pieces no larger than the buffer, in one place', async () => {
  const sent = Buffer.from(Array.from({ length: 1_000 }, (_, index) => index & 0xff));
  const { pieces, places } = await received(new ReadBuffer({ bytes: 64 }), sent);
  assert.deepEqual(Buffer.concat(pieces), sent);
  assert.ok(pieces.every((piece) => piece.length <= 64));
  assert.equal(places.size, 1);
});

test('what comes before anybody listens goes to the one that was named for it, or nowhere', () => {
  const unheard: string[] = [];
  const heard: string[] = [];
  const come = ({ onread: { buffer, callback } }: ReadBuffer, text: string): boolean =>
    callback((buffer as Buffer).write(text), buffer as Buffer);
  const named = new ReadBuffer({ bytes: 16, unheard: (piece) => unheard.push(piece.toString()) });
  assert.equal(come(named, 'early'), true);
  named.listen((piece) => heard.push(piece.toString()));
  assert.equal(come(named, 'late'), true);
  assert.deepEqual([unheard, heard], [['early'], ['late']]);
  const deaf = new ReadBuffer({ bytes: 16 });
  assert.equal(come(deaf, 'early'), true);
  deaf.listen((piece) => heard.push(piece.toString()));
  come(deaf, 'later');
  assert.deepEqual([unheard, heard], [['early'], ['late', 'later']]);
});
