// Second pass: every email. Its memberships must exist, its bytes must be there and have its digest, its summary must be
// what this program makes of the bytes, its blob linked, its thread rows there.
// An email whose bytes are lost is set aside with all of its messages: showing an empty message would hide the loss.

import { hash } from 'node:crypto';
import type { Entry } from '../../storage/engine.ts';
import { unlessDamaged } from '../../storage/record.ts';
import { prepareMessage } from '../prepare.ts';
import type { PreparedMessage } from '../prepared-message.ts';
import { numberBehind } from '../records/account-keys.ts';
import {
  decodeContent,
  decodeEmail,
  decodeSummaryRecord,
  type EmailRecord,
  encodeEmail,
  encodeSentSize,
  encodeSummaryRecord,
} from '../records/email-record.ts';
import { decodeThreadRow, encodeThreadRow, threadHashesOf } from '../records/thread-row.ts';
import { readMessageRows } from '../table/load-table.ts';
import type { CheckContext, Repair } from './check-context.ts';

export async function checkEmails(context: CheckContext): Promise<number> {
  const range = context.keys.rows('e');
  let count = 0;
  await context.eachPage(range, async (repair, entries) => {
    for (const entry of entries) {
      const emailId = numberBehind(entry.key, range.prefixLength);
      const email = unlessDamaged(() => decodeEmail(entry.value));
      if (email === undefined) {
        // Messages that still refer to it had it made again or were set aside by the pass before.
        context.found(`the record of email ${emailId} is damaged`, 'setAside');
        repair.setAside(entry);
        continue;
      }
      count++;
      await checkEmail(context, repair, { emailId, email, entry });
    }
  });
  return count;
}

interface CheckedEmail {
  readonly emailId: number;
  readonly email: EmailRecord;
  readonly entry: Entry;
}

async function checkEmail(context: CheckContext, repair: Repair, checked: CheckedEmail): Promise<void> {
  const { emailId, email } = checked;
  const memberships = await soundMemberships(context, repair, checked);
  if (memberships.length === 0) {
    context.found(`email ${emailId} is in no mailbox`, 'setAside');
    await setEmailAside(context, repair, { ...checked, email: { ...email, memberships } });
    return;
  }
  const current = { ...checked, email: { ...email, memberships } };
  const bytes = await readBytes(context, repair, current);
  if (bytes === undefined) {
    context.found(`the bytes of email ${emailId} are lost or damaged`, 'setAside');
    await setEmailAside(context, repair, current);
    return;
  }
  const prepared = await prepareMessage(bytes, { clock: context.clock });
  await checkSummary(context, repair, { ...current, prepared });
  const threadHashes = await checkThreads(context, repair, { ...current, prepared });
  const sentOtherwise = prepared.sentSize !== undefined;
  await checkSentSize(context, repair, { ...current, prepared });
  if (
    memberships.length !== email.memberships.length ||
    threadHashes.length !== email.threadHashes.length ||
    sentOtherwise !== email.sentOtherwise
  ) {
    const { isNulFree } = prepared;
    const right = { ...current.email, threadHashes, sentOtherwise, isNulFree };
    repair.put(context.keys.email(emailId), encodeEmail(right));
  }
}

async function soundMemberships(
  context: CheckContext,
  repair: Repair,
  { emailId, email }: CheckedEmail,
): Promise<number[]> {
  const { keys, engine } = context;
  const pairs: [mailboxId: number, uid: number][] = [];
  for (let at = 0; at < email.memberships.length; at += 2) {
    pairs.push([email.memberships[at]!, email.memberships[at + 1]!]);
  }
  const rows = await readMessageRows(engine, keys, pairs);
  const sound: number[] = [];
  for (const [index, [mailboxId, uid]] of pairs.entries()) {
    const mailbox = repair.draft.goneMailbox(mailboxId);
    if (rows[index]?.emailId === emailId && mailbox !== undefined) sound.push(mailboxId, uid);
    else
      context.found(`email ${emailId} is not message ${uid} of mailbox ${mailboxId} as it says`, 'repaired');
  }
  return sound;
}

/** The message's bytes when they have the email's digest; puts a missing blob link back. */
async function readBytes(
  context: CheckContext,
  repair: Repair,
  { emailId, email }: CheckedEmail,
): Promise<Uint8Array | undefined> {
  const { keys, engine, blobs } = context;
  if (email.inline) {
    const value = await engine.get(keys.content(emailId));
    const bytes = value === undefined ? undefined : unlessDamaged(() => decodeContent(value).bytes);
    return bytes !== undefined && hasDigest(bytes, email.digest) ? bytes : undefined;
  }
  if ((await blobs.verify(email.digest)) !== 'sound') return undefined;
  const holder = repair.draft.blobHolder(emailId);
  const links = await engine.getMany(blobs.unlink(email.digest, holder));
  if (links.includes(undefined)) {
    context.found(`the blob of email ${emailId} was not linked`, 'repaired');
    const link = await blobs.link(email.digest, holder);
    for (const { key, value } of link.puts) repair.put(key, value);
    for (const condition of link.conditions) repair.onlyIf(condition);
  }
  return blobs.read(email.digest, 0, email.size);
}

function hasDigest(bytes: Uint8Array, digest: Uint8Array): boolean {
  return Buffer.compare(hash('sha256', bytes, 'buffer'), digest) === 0;
}

async function checkSummary(
  context: CheckContext,
  repair: Repair,
  { emailId, email, prepared }: CheckedEmail & { prepared: PreparedMessage },
): Promise<void> {
  const key = context.keys.summary(emailId);
  const value = await context.engine.get(key);
  const record = value === undefined ? undefined : unlessDamaged(() => decodeSummaryRecord(value));
  if (
    record !== undefined &&
    record.threadId === email.threadId &&
    Buffer.compare(record.summary, prepared.summary) === 0
  ) {
    return;
  }
  context.found(
    `the summary of email ${emailId} was ${record ? 'out of date' : 'lost or damaged'}`,
    'repaired',
  );
  repair.put(key, encodeSummaryRecord({ ...prepared, threadId: email.threadId }));
}

/** Also of messages that were stored before it was noted. */
async function checkSentSize(
  context: CheckContext,
  repair: Repair,
  { emailId, email, prepared: { sentSize } }: CheckedEmail & { prepared: PreparedMessage },
): Promise<void> {
  if (sentSize === undefined && !email.sentOtherwise) return;
  const key = context.keys.sentSize(emailId);
  const value = await context.engine.get(key);
  const right = sentSize === undefined ? undefined : encodeSentSize(sentSize);
  const isRight = right === undefined ? value === undefined : value !== undefined && right.equals(value);
  if (isRight && email.sentOtherwise === (right !== undefined)) return;
  context.found(`the size of email ${emailId} as it is sent was not noted, or wrong`, 'repaired');
  if (right === undefined) repair.delete(key);
  else repair.put(key, right);
}

/** The thread rows that are this email's, after those that nobody has became its own. */
async function checkThreads(
  { keys, engine, ...context }: CheckContext,
  repair: Repair,
  { emailId, email, prepared }: CheckedEmail & { prepared: PreparedMessage },
): Promise<readonly number[]> {
  const hashes = [...new Set([...email.threadHashes, ...threadHashesOf(prepared)])];
  const values = await engine.getMany(hashes.map((hash) => keys.thread(hash)));
  const owned: number[] = [];
  let missing = 0;
  for (const [index, hash] of hashes.entries()) {
    const value = values[index];
    const row = value === undefined ? undefined : unlessDamaged(() => decodeThreadRow(value));
    if (row !== undefined) {
      if (row.emailId === emailId) owned.push(hash);
      continue;
    }
    // A row that is rightly another email's and went with it is no loss; one of this email's own is.
    if (value === undefined && !email.threadHashes.includes(hash)) continue;
    missing++;
    owned.push(hash);
    repair.put(keys.thread(hash), encodeThreadRow({ threadId: email.threadId, emailId }));
  }
  if (missing > 0) {
    context.findings.push({
      accountId: context.accountId,
      what: `${missing} thread rows of email ${emailId} were lost or damaged`,
      action: context.repair ? 'repaired' : 'reported',
    });
  }
  return owned;
}

/** All records of the email go to the quarantine, its messages leave their mailboxes. A blob stays linked: people may look. */
async function setEmailAside(
  context: CheckContext,
  repair: Repair,
  { emailId, email, entry }: CheckedEmail,
): Promise<void> {
  const { keys, engine } = context;
  repair.setAside(entry);
  for (const key of [keys.summary(emailId), keys.content(emailId)]) {
    const value = await engine.get(key);
    if (value !== undefined) repair.setAside({ key, value });
  }
  for (const hash of email.threadHashes) repair.delete(keys.thread(hash));
  if (email.sentOtherwise) repair.delete(keys.sentSize(emailId));
  for (let at = 0; at < email.memberships.length; at += 2) {
    repair.vanish(email.memberships[at]!, email.memberships[at + 1]!, emailId);
  }
}
