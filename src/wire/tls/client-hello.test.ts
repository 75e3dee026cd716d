// ClientHellos: Node's, and ones made here with what Node does not send.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import fc from 'fast-check';
import { clientHelloKind } from './client-hello.ts';

/** What Node's client sends first. */
async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const below = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      below.emit('sent', chunk);
      done();
    },
  });
  const sent = once(below, 'sent') as Promise<[Buffer]>;
  const client = connect({ socket: below, ...options });
  client.on('error', () => {});
  const [hello] = await sent;
  client.destroy();
  return hello;
}

const extension = (type: number, ...data: number[]): Buffer =>
  Buffer.concat([Buffer.of(type >> 8, type & 0xff, data.length >> 8, data.length & 0xff), Buffer.from(data)]);
const tls13 = extension(43, 4, 3, 4, 3, 3);

const block = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes]);

function bodyOf(...extensions: readonly Buffer[]): Buffer {
  const session = Buffer.concat([Buffer.of(32), Buffer.alloc(32, 1)]);
  const suites = block(Buffer.of(0x13, 1, 0x13, 2));
  const start = [Buffer.of(3, 3), Buffer.alloc(32, 2), session, suites, Buffer.of(1, 0)];
  return Buffer.concat([...start, block(Buffer.concat(extensions))]);
}

const messageOf = (body: Buffer): Buffer =>
  Buffer.concat([Buffer.of(1, body.length >> 16, (body.length >> 8) & 0xff, body.length & 0xff), body]);

/** In records of so many bytes. */
function recordsOf(message: Buffer, bytesMax = 16_384): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += bytesMax)
    records.push(Buffer.of(22, 3, 1), block(message.subarray(at, at + bytesMax)));
  return Buffer.concat(records);
}

const helloWith = (...extensions: readonly Buffer[]): Buffer => recordsOf(messageOf(bodyOf(...extensions)));

function cutEverywhere(hello: Buffer, kind: 'tls13' | 'other'): void {
  for (let length = 0; length < hello.length; length++)
    assert.equal(
      clientHelloKind(hello.subarray(0, length)),
      'incomplete',
      `${length} of ${hello.length} bytes`,
    );
  assert.equal(clientHelloKind(hello), kind);
}

test("Node's, cut at each byte", async () => {
  cutEverywhere(await helloOf({}), 'tls13');
  cutEverywhere(await helloOf({ minVersion: 'TLSv1.3', servername: 'mail.example.test' }), 'tls13');
  cutEverywhere(await helloOf({ maxVersion: 'TLSv1.2' }), 'other');
});

test('in several records, cut at each byte', () => {
  for (const bytesMax of [1, 3, 4, 5, 50, 131]) {
    const message = messageOf(bodyOf(tls13, extension(0x1234, ...Buffer.alloc(50))));
    cutEverywhere(recordsOf(message, bytesMax), 'tls13');
  }
});

describe('who may ask for other records stays with OpenSSL', () => {
  const cases: Readonly<Record<string, readonly ['tls13' | 'other', Buffer]>> = {
    'nothing asked': ['tls13', helloWith(tls13)],
    'TLS 1.2 offered only': ['other', helloWith(extension(43, 2, 3, 3))],
    'no versions offered': ['other', helloWith(extension(0x1234))],
    'no extensions': ['other', helloWith()],
    max_fragment_length: ['other', helloWith(tls13, extension(1, 1))],
    'max_fragment_length in front': ['other', helloWith(extension(1, 4), tls13)],
    record_size_limit: ['other', helloWith(tls13, extension(28, 0x40, 0))],
    'record_size_limit that limits nothing': ['tls13', helloWith(extension(28, 0x40, 1), tls13)],
    'record_size_limit of one byte': ['other', helloWith(tls13, extension(28, 0x40))],
    'record_size_limit of three bytes': ['other', helloWith(tls13, extension(28, 0x40, 1, 0))],
    'record_size_limit of none': ['other', helloWith(extension(28), tls13)],
    'an extension beyond its end': ['other', helloWith(tls13, Buffer.of(0, 9, 0, 5, 1))],
    'half an extension': ['other', helloWith(tls13, Buffer.of(0, 9, 0))],
    'something behind the extensions': [
      'other',
      recordsOf(messageOf(Buffer.concat([bodyOf(tls13), Buffer.of(0)]))),
    ],
    'no body': ['other', recordsOf(messageOf(Buffer.alloc(0)))],
    'another message': ['other', recordsOf(Buffer.of(2, 0, 0, 1, 0))],
  };
  for (const [name, [kind, hello]] of Object.entries(cases))
    test(name, () => assert.equal(clientHelloKind(hello), kind));
});

test('what is no TLS is seen at its first bytes', () => {
  for (const start of [
    'G',
    'PROXY ',
    '\x15\x03\x01\x00\x02\x02\x28',
    '\x16\x02\x00\x00\x10',
    '\x80\x2e\x01',
    '\x16\x03\x01\x00\x00',
  ])
    assert.equal(clientHelloKind(Buffer.from(start, 'latin1')), 'other');
  // A whole one is there, and another record behind it.
  const behind = Buffer.concat([helloWith(tls13), Buffer.of(20, 3, 3, 0, 1, 1)]);
  assert.notEqual(clientHelloKind(behind), 'incomplete');
});

test('one may be large, and none may be waited for without end', () => {
  const large = helloWith(tls13, extension(0x1234, ...Buffer.alloc(30_000)));
  assert.equal(clientHelloKind(large.subarray(0, -1)), 'incomplete');
  assert.equal(clientHelloKind(large), 'tls13');
  const endless = recordsOf(Buffer.concat([Buffer.of(1, 0xff, 0xff, 0xff), Buffer.alloc(60_000)]));
  assert.equal(clientHelloKind(endless.subarray(0, 32 * 1024 - 1)), 'incomplete');
  assert.equal(clientHelloKind(endless.subarray(0, 32 * 1024)), 'other');
});

test('whatever comes is understood or not, and longer or not; TLS 1.3 is never made of noise', () => {
  const hello = helloWith(tls13, extension(0, 0, 1, 2), extension(28, 0x40, 1));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      assert.notEqual(clientHelloKind(Buffer.from(noise)), 'tls13');
      assert.notEqual(
        clientHelloKind(Buffer.concat([Buffer.of(22, 3, 1, 0, 60, 1, 0, 0, 56), noise])),
        'tls13',
      );
    }),
  );
  for (let at = 0; at < hello.length; at++) {
    for (const value of [0, 1, 0x7f, 0xff]) {
      const changed = Buffer.from(hello);
      changed[at] = value;
      assert.match(clientHelloKind(changed), /^(?:incomplete|tls13|other)$/);
    }
  }
});
