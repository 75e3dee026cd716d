// Makes a message ready for storing: one digest, one parse, one summary, however many accounts it goes to.
// Invariants: never fails on any bytes; small messages are done at once (they are nearly all, and a promise's turn
// costs more than they do), large ones in slices, so that nobody waits for them.

import { createHash, hash, webcrypto } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { lineFeeds } from '../base/line-feeds.ts';
import { Slicer } from '../base/slicer.ts';
import { asBuffer } from '../mail/bytes.ts';
import { parseDate } from '../mail/date.ts';
import { fieldValue, findField } from '../mail/header.ts';
import { ownMessageId, referencedIds } from '../mail/message-ids.ts';
import { type ParsedMessage, parseMessage, parseMessageSteps } from '../mail/mime/parse-message.ts';
import { encodeStructure, encodeStructureSteps } from '../mail/mime/structure-codec.ts';
import { preview } from '../mail/mime/text.ts';
import { baseSubject } from '../mail/subject.ts';
import { formatBodyStructure, formatBodyStructureSteps } from '../wire/imap/format-body-structure.ts';
import { formatEnvelope } from '../wire/imap/format-envelope.ts';
import { sentSizeDifference } from '../wire/pop3/sent-size.ts';
import type { PreparedMessage } from './prepared-message.ts';
import { encodeSummary } from './summary.ts';

/** Up to this size a message is parsed and hashed in less than half a millisecond, unless it has thousands of parts. */
const atOnceBytesMax = 128 * 1024;
/**
 * Up to this size another thread hashes a copy: 300 KB cost the event loop 23 µs that way and 153 here, 30 KB would be dearer.
 * Copying more takes milliseconds, and a second copy of the largest messages is not wanted in memory.
 */
const hashedAsideBytesMax = 4 * 1024 * 1024;
/** About a millisecond of hashing. */
const hashStepBytes = 512 * 1024;
/** Message-IDs used for threading: its own, and the references nearest to it. */
const messageIdsMax = 20;
/**
 * The header is kept in the summary too, so that lists and searches need not read the message. Of a small message only a
 * short one: it is written twice, and with a long one the message itself is read nearly as quickly.
 */
const smallMessageBytes = 8 * 1024;
const headerKeptBytesMax = 16 * 1024;
const headerKeptOfSmallBytesMax = 4 * 1024;

export interface PrepareOptions {
  readonly clock: Clock;
  /** No line of it ends with an LF alone, as who took it saw: it is not looked through for those again. */
  readonly isCrlf?: boolean;
}

/** The bytes are kept, not copied: the caller must not change them. */
export async function prepareMessage(bytes: Uint8Array, options: PrepareOptions): Promise<PreparedMessage> {
  const { clock, isCrlf = false } = options;
  const parsing = parseMessageSteps(bytes);
  if (bytes.length <= atOnceBytesMax) {
    // It may still have thousands of tiny parts.
    const step = parsing.next();
    if (step.done) return preparedAtOnce(bytes, step.value, isCrlf);
  }
  const slicer = new Slicer(clock);
  const [digest, message] = await Promise.all([digestOf(bytes, slicer), slicer.finish(parsing)]);
  const bareLineFeeds = isCrlf ? 0 : await countBareLineFeeds(bytes, slicer);
  const isNulFree = !(await hasNul(bytes, slicer));
  const structure = await slicer.finish(encodeStructureSteps(message));
  const bodyStructure = await slicer.finish(formatBodyStructureSteps(message.root));
  if (slicer.due()) await slicer.rest();
  return prepared(bytes, message, { digest, bareLineFeeds, isNulFree, structure, bodyStructure });
}

async function digestOf(bytes: Uint8Array, slicer: Slicer): Promise<Uint8Array> {
  if (bytes.length <= hashedAsideBytesMax)
    return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
  const digest = createHash('sha256');
  for (let start = 0; start < bytes.length; start += hashStepBytes) {
    digest.update(bytes.subarray(start, start + hashStepBytes));
    if (slicer.due()) await slicer.rest();
  }
  return digest.digest();
}

async function countBareLineFeeds(bytes: Uint8Array, slicer: Slicer): Promise<number> {
  const text = asBuffer(bytes);
  let count = 0;
  for (let start = 0; start < text.length; start += hashStepBytes) {
    count += lineFeeds(text, start, Math.min(start + hashStepBytes, text.length)).bare;
    if (slicer.due()) await slicer.rest();
  }
  return count;
}

async function hasNul(bytes: Uint8Array, slicer: Slicer): Promise<boolean> {
  for (let start = 0; start < bytes.length; start += hashStepBytes) {
    if (asBuffer(bytes.subarray(start, start + hashStepBytes)).includes(0)) return true;
    if (slicer.due()) await slicer.rest();
  }
  return false;
}

/** The same at once, whatever the size: for callers that know it is small. */
export function prepareSmallMessage(bytes: Uint8Array): PreparedMessage {
  return preparedAtOnce(bytes, parseMessage(bytes), false);
}

function preparedAtOnce(bytes: Uint8Array, message: ParsedMessage, isCrlf: boolean): PreparedMessage {
  return prepared(bytes, message, {
    digest: hash('sha256', bytes, 'buffer'),
    bareLineFeeds: isCrlf ? 0 : lineFeeds(asBuffer(bytes), 0, bytes.length).bare,
    isNulFree: !asBuffer(bytes).includes(0),
    structure: encodeStructure(message),
    bodyStructure: formatBodyStructure(message.root),
  });
}

/** What takes as long as the message is large, or its parts are many. */
interface Measured {
  readonly digest: Uint8Array;
  readonly bareLineFeeds: number;
  readonly isNulFree: boolean;
  readonly structure: Uint8Array;
  readonly bodyStructure: string;
}

function prepared(bytes: Uint8Array, message: ParsedMessage, measured: Measured): PreparedMessage {
  const { envelope, root, header } = message;
  const { digest, bareLineFeeds, isNulFree, structure, bodyStructure } = measured;
  const references = findField(bytes, header, 'References');
  const own = ownMessageId(envelope.messageId);
  const referenced = referencedIds(
    references < 0 ? undefined : fieldValue(bytes, header, references),
    envelope.inReplyTo,
  );
  const messageIds = [...new Set(own === undefined ? referenced : [...referenced, own])].slice(
    -messageIdsMax,
  );
  const keptMax = bytes.length <= smallMessageBytes ? headerKeptOfSmallBytesMax : headerKeptBytesMax;
  const keepHeader = root.headerEnd <= keptMax;
  const summary = encodeSummary({
    sentDay: sentDay(envelope.date),
    envelope: formatEnvelope(envelope),
    bodyStructure,
    structure,
    header,
    preview: preview(bytes, message),
    headerBytes: keepHeader ? bytes.subarray(root.headerStart, root.headerEnd) : undefined,
  });
  return {
    bytes,
    digest,
    summary,
    messageIds,
    baseSubject: baseSubject(envelope.subject).text.toLowerCase(),
    sentSize: sentSizeDifference(asBuffer(bytes), bareLineFeeds),
    isNulFree,
  };
}

function sentDay(date: string | undefined): number | undefined {
  const parsed = date === undefined ? undefined : parseDate(date);
  if (parsed === undefined) return undefined;
  return Math.floor((parsed.unixSeconds + parsed.zoneMinutes * 60) / 86_400);
}
