// Traffic keys: RFC 8448's, and each suite against the second writing of RFC 8446 in test-reference-keys.ts.

import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { describe, test } from 'node:test';
import { contentTypes, ReferenceKeys, secretFor, suiteNames } from './test-reference-keys.ts';
import { TrafficKeys } from './traffic-keys.ts';

const data = (content: string): Buffer => Buffer.from(`${content}\x17`, 'latin1');

function sealOnce(keys: TrafficKeys, inner: Buffer): Buffer {
  const target = Buffer.alloc(inner.length + 21);
  assert.equal(keys.seal(inner, target, 0), target.length);
  return target;
}

describe('RFC 8448 3', () => {
  const suite = 'TLS_AES_128_GCM_SHA256';
  const vectors = {
    server: [
      'a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643',
      '9f02283b6c9c07efc26bb9f2ac92e356',
      'cf782b88dd83549aadf1e984',
    ],
    client: [
      '9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5',
      '17422dda596ed5d9acd890e3c63f5051',
      '5b78923dee08579033e523d9',
    ],
  } as const;
  for (const [name, [secret, key, iv]] of Object.entries(vectors)) {
    test(`the ${name}'s key and IV`, () => {
      const header = Buffer.from('170303001c', 'hex');
      const cipher = createCipheriv('aes-128-gcm', Buffer.from(key, 'hex'), Buffer.from(iv, 'hex'));
      cipher.setAAD(header);
      const sealed = Buffer.concat([header, cipher.update(data('hello world')), cipher.final()]);
      const expected = Buffer.concat([sealed, cipher.getAuthTag()]);
      const keys = new TrafficKeys(suite, Buffer.from(secret, 'hex'));
      assert.deepEqual(sealOnce(keys, data('hello world')), expected);
    });
  }

  test("the client's first record", () => {
    const record =
      '1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4';
    const keys = new TrafficKeys(suite, Buffer.from(vectors.client[0], 'hex'));
    const expected = Buffer.of(...Array.from({ length: 50 }, (_, index) => index), contentTypes.data);
    assert.deepEqual(keys.open(Buffer.from(record, 'hex')), expected);
  });
});

for (const suite of suiteNames) {
  describe(suite, () => {
    const pair = (): [TrafficKeys, ReferenceKeys] => [
      new TrafficKeys(suite, secretFor(suite)),
      new ReferenceKeys(suite, secretFor(suite)),
    ];

    test('each sequence number has its own nonce, above 2^32 too', () => {
      for (const start of [0, 2 ** 16 - 1, 2 ** 31 - 1, 2 ** 32 - 2, 2 ** 32, 2 ** 40 + 5, 2 ** 52]) {
        const [sealing, reference] = pair();
        const opening = new TrafficKeys(suite, secretFor(suite));
        sealing.skip(start);
        opening.skip(start);
        reference.sequence = BigInt(start);
        for (let count = 1; count <= 4; count++) {
          const record = sealOnce(sealing, data('same content'));
          assert.deepEqual(record, reference.seal(contentTypes.data, 'same content'));
          assert.deepEqual(opening.open(Buffer.from(record)), data('same content'));
          assert.equal(sealing.sequence, start + count);
          assert.equal(opening.sequence, start + count);
        }
      }
    });

    test('the next generations of keys begin at 0', () => {
      const [keys, reference] = pair();
      for (let generation = 0; generation < 4; generation++) {
        for (let count = 0; count < 2; count++)
          assert.deepEqual(sealOnce(keys, data('x')), reference.seal(contentTypes.data, 'x'));
        keys.update();
        reference.update();
        assert.equal(keys.sequence, 0);
      }
    });

    test('a record with any bit changed, or cut, does not open and does not count', () => {
      const [keys, reference] = pair();
      const record = reference.seal(contentTypes.data, 'content', 3);
      for (let bit = 0; bit < record.length * 8; bit++) {
        const changed = Buffer.from(record);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        const before = Buffer.from(changed);
        assert.equal(keys.open(changed), undefined, `bit ${bit}`);
        assert.deepEqual(changed, before);
      }
      for (let length = 0; length < record.length; length++)
        assert.equal(keys.open(record.subarray(0, length)), undefined, `${length} bytes`);
      assert.equal(keys.open(Buffer.concat([record, Buffer.of(0)])), undefined);
      assert.equal(keys.sequence, 0);
      assert.deepEqual(keys.open(Buffer.from(record)), Buffer.concat([data('content'), Buffer.alloc(3)]));
      assert.equal(keys.open(Buffer.from(record)), undefined, 'replayed');
      assert.equal(keys.sequence, 1);
    });

    test('a look changes neither the record nor the keys', () => {
      const [keys, reference] = pair();
      const large = 'y'.repeat(10_000);
      const [first, second] = [
        reference.seal(contentTypes.data, large),
        reference.seal(contentTypes.data, 'b'),
      ];
      const before = Buffer.from(first);
      assert.deepEqual(keys.peek(first), data(large));
      assert.deepEqual(keys.peek(first), data(large));
      assert.deepEqual(first, before);
      assert.equal(keys.peek(second), undefined);
      assert.equal(keys.sequence, 0);
      keys.skip();
      assert.equal(keys.peek(first), undefined);
      assert.deepEqual(keys.open(second), data('b'));
    });

    test('records of every size lie where they were put, and what they were made of stays', () => {
      const [sealing, reference] = pair();
      const opening = new TrafficKeys(suite, secretFor(suite));
      for (const length of [0, 1, 15, 16, 17, 2046, 2047, 2048, 2049, 16_383, 16_384]) {
        const inner = data('z'.repeat(length));
        const before = Buffer.from(inner);
        const target = Buffer.alloc(length + 22 + 20, 0xee);
        assert.equal(sealing.seal(inner, target, 10), target.length - 10);
        assert.deepEqual(inner, before);
        assert.deepEqual(target.subarray(0, 10), Buffer.alloc(10, 0xee));
        assert.deepEqual(target.subarray(-10), Buffer.alloc(10, 0xee));
        const record = target.subarray(10, -10);
        assert.deepEqual(record, reference.seal(contentTypes.data, 'z'.repeat(length)));
        assert.deepEqual(opening.open(record), before);
      }
      assert.throws(() => sealing.seal(Buffer.alloc(16_386), Buffer.alloc(20_000), 0), /one record/);
    });
  });
}

test('a secret of another length, or of a suite that nobody offers, is a bug', () => {
  assert.throws(() => new TrafficKeys('TLS_AES_256_GCM_SHA384', Buffer.alloc(32)), /secret/);
  assert.throws(() => new TrafficKeys('TLS_AES_128_CCM_SHA256', Buffer.alloc(32)), /secret/);
});
