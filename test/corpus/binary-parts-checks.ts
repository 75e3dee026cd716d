// What holds for messages without their binary parts, whatever the message: used by the corpus tests and the fuzz target.

import assert from 'node:assert/strict';
import { finishAtOnce } from '../../src/base/slicer.ts';
import { parseMessage } from '../../src/mail/mime/parse-message.ts';
import type { MessagePart } from '../../src/mail/mime/structure.ts';
import { findBinaryParts, withoutBinaryParts } from '../../src/mail/mime/without-binary-parts.ts';
import { decodeTransfer } from '../../src/mail/transfer-encoding.ts';

/** The message itself when there is nothing to encode. */
function encoded(bytes: Buffer): Buffer {
  const found = finishAtOnce(findBinaryParts(bytes, parseMessage(bytes)));
  return found === undefined ? bytes : finishAtOnce(withoutBinaryParts(bytes, found));
}

/** Throws unless all that holds for any message does. Gives how many parts were encoded. */
export function checkBinaryParts(bytes: Buffer, what: string): number {
  const before = parseMessage(bytes);
  const result = encoded(bytes);
  const after = parseMessage(result);
  const told = new Set(['7bit', '8bit', 'binary']);
  let count = 0;
  const same = (one: MessagePart, other: MessagePart, isSigned: boolean): void => {
    const { path, type, subtype, parameters, disposition, encoding } = one;
    const isComposite = one.children.length > 0 || one.message !== undefined;
    assert.deepEqual(
      { path, type, subtype, parameters, disposition },
      {
        path: other.path,
        type: other.type,
        subtype: other.subtype,
        parameters: other.parameters,
        disposition: other.disposition,
      },
    );
    const was = bytes.subarray(one.bodyStart, one.bodyEnd);
    const is = result.subarray(other.bodyStart, other.bodyEnd);
    if (isComposite)
      assert.ok(encoding === other.encoding || (encoding === 'binary' && told.has(other.encoding)));
    else {
      // As BINARY[n] gives it.
      assert.deepEqual(
        decodeTransfer(is, other.encoding, is.length),
        decodeTransfer(was, encoding, was.length),
        what,
      );
      if (encoding !== other.encoding) {
        count++;
        assert.deepEqual(
          [encoding, other.encoding, isSigned, one.type === 'message'],
          ['binary', 'base64', false, false],
        );
        assert.match(is.toString('latin1'), /^(?:[A-Za-z0-9+/]{76}\r\n)*[A-Za-z0-9+/]{1,76}={0,2}(?:\r\n)?$/);
      } else assert.deepEqual(is, was);
      const isUsual = /(?:^|\n)\r?\n$/.test(bytes.toString('latin1', one.headerStart, one.headerEnd));
      if (other.encoding === 'binary' && !isSigned && isUsual && one.type !== 'message')
        assert.ok(!is.includes(0), `${what}: ${path}`);
    }
    assert.equal(one.children.length, other.children.length);
    const nowSigned = isSigned || (type === 'multipart' && subtype === 'signed');
    for (const [at, child] of one.children.entries()) same(child, other.children[at]!, nowSigned);
    assert.equal(one.message === undefined, other.message === undefined);
    if (one.message !== undefined) same(one.message.root, other.message!.root, isSigned);
  };
  same(before.root, after.root, false);
  assert.deepEqual(after.envelope, before.envelope);
  assert.equal(encoded(result), result, `${what}: once more`);
  if (count === 0) assert.equal(result, bytes);
  return count;
}
