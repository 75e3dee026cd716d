// Records of a session: what is sealed opens the same however it is cut, and bytes that wait in a socket stay what they are.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { alerts, openAll, Peer, session } from './test-record-session.ts';
import { contentTypes, splitRecords, suiteNames } from './test-reference-keys.ts';

const { alert, handshake, data } = contentTypes;

const asBytes = (part: string | Uint8Array): Buffer => Buffer.from(part as string, 'latin1');
const lengthOf = (parts: readonly (string | Uint8Array)[]): number =>
  parts.reduce((sum, part) => sum + part.length, 0);

/** Not the same byte twice in a row: what is shifted or taken twice shows. */
function partOf(length: number, isText: boolean, seed: number): string | Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 8) * 17 + seed) & 0xff;
  return isText ? bytes.toString('latin1') : bytes;
}
const somePart = fc
  .tuple(
    fc.oneof(fc.nat(40), fc.nat(70_000), fc.constantFrom(16_383, 16_384, 16_385, 32_768, 65_536)),
    fc.boolean(),
    fc.nat(255),
  )
  .map(([length, isText, seed]) => partOf(length, isText, seed));
const someParts = fc.array(somePart, { minLength: 1, maxLength: 4 });

test('what is sealed comes out the same, however it is cut', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...suiteNames),
      fc.array(someParts, { minLength: 1, maxLength: 3 }),
      fc.array(fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 70_000 })), {
        minLength: 1,
      }),
      (suite, writes, cuts) => {
        const { records, client, peer } = session(suite);
        for (const parts of writes) records.seal(parts, lengthOf(parts), peer);
        const wire = peer.sent;
        const reader = new Peer();
        let at = 0;
        for (let cut = 0; at < wire.length; cut++) {
          const end = at + cuts[cut % cuts.length]!;
          // Each chunk has memory of its own, as a socket's.
          client.open(Buffer.from(wire.subarray(at, end)), reader);
          at = end;
        }
        assert(reader.read.equals(Buffer.concat(writes.flat().map(asBytes))));
        assert.deepEqual([reader.failures, reader.ends, reader.sent.length], [[], 0, 0]);
      },
    ),
    { numRuns: 60 },
  );
});

test('a byte at a time', () => {
  const { records, keys, peer } = session();
  const wire = Buffer.concat(['one', 'two', '', 'three'].map((text) => keys.seal(data, text, text.length)));
  for (const byte of wire) records.open(Buffer.of(byte), peer);
  assert.equal(peer.read.toString(), 'onetwothree');
});

test('what waits in a socket never changes, and what does not wait is sent at once, whoever else sends', () => {
  const turn = fc.record({
    who: fc.nat(2),
    parts: someParts,
    taken: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
    drains: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(turn, { minLength: 2, maxLength: 8 }),
      fc.constantFrom(2, 3, 1000),
      (turns, recordsMax) => {
        const sessions = [0, 1, 2].map(() => ({
          ...session('TLS_CHACHA20_POLY1305_SHA256', recordsMax),
          written: [] as Buffer[],
        }));
        for (const { who, parts, taken, drains } of turns) {
          const { records, peer, written } = sessions[who]!;
          let sends = 0;
          peer.takes = () => taken[sends++ % taken.length]!;
          records.seal(parts, lengthOf(parts), peer);
          written.push(...parts.map(asBytes));
          if (drains) peer.drained();
        }
        for (const { client, peer, written } of sessions) {
          const reader = new Peer();
          client.open(Buffer.from(peer.sent), reader);
          assert.deepEqual(reader.failures, []);
          assert(reader.read.equals(Buffer.concat(written)));
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('what waits takes no more memory than it needs', () => {
  const { records, peer } = session();
  peer.isQueueing = true;
  const memory: number[] = [];
  const send = peer.send.bind(peer);
  peer.send = (bytes) => {
    memory.push(bytes.buffer.byteLength);
    return send(bytes);
  };
  records.seal(['short'], 5, peer);
  records.seal(['x'.repeat(40_000)], 40_000, peer);
  assert.deepEqual(memory, [5 + 22, 40_000 + 3 * 22]);
});

describe('our own keys change', () => {
  for (const isQueueing of [false, true]) {
    test(`after so many records${isQueueing ? ', while others wait' : ''}: no byte is lost`, () => {
      const { records, answers, peer } = session('TLS_AES_256_GCM_SHA384', 3);
      const written = [70_000, 5, 16_384, 3, 100_000, 1, 1, 1, 1].map((length, seed) =>
        partOf(length, true, seed),
      );
      for (const part of written) {
        peer.isQueueing = isQueueing;
        records.seal([part], part.length, peer);
      }
      const contents: Buffer[] = [];
      let updates = 0;
      for (const record of splitRecords(peer.sent)) {
        assert(answers.sequence <= 3n, 'a key protects more than it may');
        const { type, content } = answers.open(record);
        if (type === data) contents.push(content);
        else {
          assert.deepEqual([type, content], [handshake, Buffer.of(24, 0, 0, 1, 0)]);
          answers.update();
          updates++;
        }
      }
      assert(Buffer.concat(contents).equals(Buffer.concat(written.map(asBytes))));
      assert(updates >= 5, String(updates));
    });
  }
});

describe('key updates of the peer', () => {
  const update = (request: number): Buffer => Buffer.of(24, 0, 0, 1, request);

  test('are followed, and answered when they ask for it', () => {
    const { records, keys, answers, peer } = session();
    for (const request of [0, 1, 0, 1]) {
      records.open(Buffer.concat([keys.seal(data, 'a'), keys.seal(handshake, update(request))]), peer);
      keys.update();
      records.open(keys.seal(data, 'b'), peer);
      records.seal(['c'], 1, peer);
    }
    assert.equal(peer.read.toString(), 'abababab');
    const types: number[] = [];
    for (const record of splitRecords(peer.sent)) {
      const { type, content } = answers.open(record);
      types.push(type);
      assert.deepEqual(content, type === data ? Buffer.from('c') : update(0));
      if (type === handshake) answers.update();
    }
    assert.deepEqual(types, [data, handshake, data, data, handshake, data]);
    assert.deepEqual(peer.failures, []);
  });

  test('with the old keys nothing opens any more', () => {
    const { records, keys, peer } = session();
    records.open(keys.seal(handshake, update(0)), peer);
    records.open(keys.seal(data, 'old'), peer);
    assert.equal(peer.failures.length, 1);
    assert.equal(peer.read.length, 0);
  });

  for (const request of [0, 1]) {
    test(`come a bounded number of times (${request})`, () => {
      const { records, keys, peer } = session();
      let count = 0;
      for (; peer.failures.length === 0 && count < 10_000; count++) {
        records.open(keys.seal(handshake, update(request)), peer);
        keys.update();
      }
      assert.equal(count, 65);
      assert(peer.sent.length <= 65 * (22 + 5) + 24);
    });
  }
});

test('padding of every size is no content', () => {
  const { records, keys, peer } = session();
  for (const padding of [0, 1, 255, 16_383]) records.open(keys.seal(data, 'x', padding), peer);
  records.open(keys.seal(data, 'y\0\0', 100), peer);
  assert.equal(peer.read.toString(), 'xxxxy\0\0');
});

test('close_notify: nothing after it counts, and we may still write', () => {
  const { records, keys, answers, peer } = session();
  const end = [keys.seal(data, 'last'), keys.seal(alert, '\x01\x00'), keys.seal(data, 'more')];
  records.open(Buffer.concat([...end, Buffer.from('nonsense')]), peer);
  records.open(keys.seal(alert, '\x01\x00'), peer);
  assert.equal(peer.read.toString(), 'last');
  assert.deepEqual([peer.ends, peer.failures.length, peer.sent.length], [1, 0, 0]);
  records.seal(['answer'], 6, peer);
  records.sealEnd(peer);
  assert.deepEqual(openAll(answers, peer.sent), [
    { type: data, content: Buffer.from('answer') },
    { type: alert, content: Buffer.of(1, alerts.closeNotify) },
  ]);
});

test("the peer's alerts end the session, and are not answered", () => {
  for (const [level, description] of [
    [2, 20],
    [1, 40],
    [2, 255],
    [1, 100],
  ] as const) {
    const { records, keys, peer } = session();
    const fatal = keys.seal(alert, Buffer.of(level, description));
    records.open(Buffer.concat([fatal, keys.seal(data, 'more')]), peer);
    assert.match(peer.failures[0]!.message, new RegExp(`alert ${description}$`));
    assert.deepEqual([peer.failures.length, peer.ends, peer.sent.length, peer.read.length], [1, 0, 0, 0]);
  }
});
