import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../base/fault.ts';
import { emptyEnvelope } from './envelope.ts';
import { parseMessage } from './parse-message.ts';
import { decodeEnvelope, decodeStructure, encodeEnvelope, encodeStructure } from './structure-codec.ts';

const bytes = Buffer.from(
  [
    'From: a@b.test',
    'Content-Type: multipart/mixed; boundary="----=_Part_1234_567890"',
    '',
    '------=_Part_1234_567890',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    'text',
    '------=_Part_1234_567890',
    'Content-Type: application/pdf; name="\xe4.pdf"',
    'Content-ID: <1@x>',
    'Content-Description: d',
    'Content-MD5: m',
    'Content-Language: de, en',
    'Content-Location: l',
    "Content-Disposition: x-other; filename*=utf-8''%C3%A4.pdf; size=4",
    'Content-Transfer-Encoding: x-own',
    '',
    'text',
    '------=_Part_1234_567890',
    'Content-Type: message/rfc822',
    '',
    'From: c@d.test',
    'Reply-To: e@f.test',
    '',
    'nested',
    '------=_Part_1234_567890--',
  ].join('\r\n'),
  'latin1',
);

test('what is encoded is decoded the same', () => {
  const { size, root } = parseMessage(bytes);
  assert.deepEqual(decodeStructure(encodeStructure({ size, root })), { size, root });
});

test('a typical message takes less than 200 bytes', () => {
  const text = Buffer.from(
    bytes.toString('latin1').replace(/Content-(?:ID|Desc|MD5|Lang|Loc|Disp)[^\r]*\r\n/g, ''),
    'latin1',
  );
  assert.ok(encodeStructure(parseMessage(text)).length < 200);
  assert.ok(encodeStructure(parseMessage(Buffer.from('Subject: x\r\n\r\ntext\r\n'))).length < 20);
});

test('envelopes come back, equal senders stored once', () => {
  const { envelope } = parseMessage(bytes);
  assert.deepEqual(decodeEnvelope(encodeEnvelope(envelope)), envelope);
  assert.deepEqual(decodeEnvelope(encodeEnvelope(emptyEnvelope())), emptyEnvelope());
  const long = { ...emptyEnvelope(), from: 'a', sender: 'b', replyTo: 'a', subject: '\xff'.repeat(5000) };
  assert.deepEqual(decodeEnvelope(encodeEnvelope(long)), long);
});

test('damaged records are faults', () => {
  const encoded = encodeStructure(parseMessage(bytes));
  const isFault = (error: unknown) => error instanceof Fault && !error.temporary;
  for (let length = 0; length < encoded.length; length++)
    assert.throws(() => decodeStructure(encoded.subarray(0, length)), isFault);
  assert.throws(() => decodeStructure(Buffer.from([9, 0])), isFault);
  assert.throws(() => decodeStructure(Buffer.alloc(1000, 255)), isFault);
});

test('a changed byte gives a structure or a fault, never anything else', () => {
  const encoded = encodeStructure(parseMessage(bytes));
  for (let index = 0; index < encoded.length; index++) {
    for (const flip of [1, 128, 255]) {
      const changed = Buffer.from(encoded);
      changed[index]! ^= flip;
      try {
        decodeStructure(changed);
      } catch (error) {
        assert.ok(error instanceof Fault, String(error));
      }
    }
  }
});
