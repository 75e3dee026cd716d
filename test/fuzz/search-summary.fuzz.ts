// Summaries: any bytes can be prepared, and what the summary tells is what a parse of the bytes tells.

import assert from 'node:assert/strict';
import { prepareMessage, prepareSmallMessage } from '../../src/account/prepare.ts';
import {
  summaryBody,
  summaryBodyStructureRange,
  summaryEnvelopeRange,
  summaryHeader,
  summaryHeaderBlock,
  summaryPreview,
  summarySentDay,
  summaryStructure,
} from '../../src/account/summary.ts';
import { systemClock } from '../../src/base/clock.ts';
import { parseMessage } from '../../src/mail/mime/parse-message.ts';
import { formatBody, formatBodyStructure } from '../../src/wire/imap/format-body-structure.ts';
import { formatEnvelope } from '../../src/wire/imap/format-envelope.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const header =
  'From: a@example.test\r\nSubject: =?utf-8?b?w7w=?=\r\nDate: Sun, 1 Mar 2026 23:30:00 -0500\r\nMessage-ID: <x@y>\r\nReferences: <p@q>\r\n <r@s>\r\n';

export const target: FuzzTarget = {
  name: 'search-summary',
  seeds: () =>
    [
      '',
      '\r\n',
      'no header at all',
      `${header}\r\nbody`,
      `${header}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\npart\r\n--b--\r\n`,
      `${header}Content-Type: message/rfc822\r\n\r\n${header}\r\ninner`,
      `${header}\r\n${'long body '.repeat(1000)}`,
    ].map((text) => Buffer.from(text, 'latin1')),
  async run(input) {
    const prepared = prepareSmallMessage(input);
    assert.deepEqual(await prepareMessage(input, { clock: systemClock }), prepared);
    const parsed = parseMessage(input);
    const { summary } = prepared;
    const { size, root } = parsed;
    assert.deepEqual(summaryStructure(summary), { size, root });
    const told = ({ start, end }: { start: number; end: number }) => latin1(summary.subarray(start, end));
    assert.equal(told(summaryEnvelopeRange(summary)), formatEnvelope(parsed.envelope));
    assert.equal(told(summaryBodyStructureRange(summary)), formatBodyStructure(root));
    assert.equal(latin1(summaryBody(summary)), formatBody(root));
    assert.ok([...summaryPreview(summary)].length <= 200);
    const day = summarySentDay(summary);
    assert.ok(day === undefined || Number.isSafeInteger(day));
    const block = summaryHeaderBlock(summary);
    if (block !== undefined) assert.deepEqual({ ...block, scanned: 0 }, { ...parsed.header, scanned: 0 });
    const kept = summaryHeader(summary);
    if (kept !== undefined)
      assert.equal(latin1(kept), latin1(input.subarray(root.headerStart, root.headerEnd)));
    assert.ok(
      prepared.messageIds.length <= 20 && new Set(prepared.messageIds).size === prepared.messageIds.length,
    );
  },
};

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
