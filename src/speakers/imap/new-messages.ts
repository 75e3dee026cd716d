// The messages of APPEND and REPLACE made ready for the account: literals as they came, messages put together from others
// (CATENATE, RFC 4469), and the binary parts of what came in a literal8 encoded (RFC 3516). Invariant: what is read or made for a
// message is borrowed from the shared byte budget first, and counts against the size a message may have. Account refusals and
// faults pass through.

import { isAscii } from 'node:buffer';
import type { NewMessage } from '../../account/port.ts';
import { prepareMessage } from '../../account/prepare.ts';
import type { PreparedMessage } from '../../account/prepared-message.ts';
import { summaryStructure } from '../../account/summary.ts';
import { Slicer } from '../../base/slicer.ts';
import { headerBytesMax, headerFields } from '../../mail/header.ts';
import { undefinedWhen } from '../../mail/mail-error.ts';
import { findBinaryParts, withoutBinaryParts } from '../../mail/mime/without-binary-parts.ts';
import type { ImapMessageUrl } from '../../wire/imap/imap-url.ts';
import type { AppendMessage, CatenatePart } from '../../wire/imap/message-command.ts';
import { badUrlCode } from '../../wire/imap/response-code.ts';
import { contentItem } from './fetch/fetch-plan.ts';
import { type Located, MessageParts } from './fetch/message-parts.ts';
import { findPlaced, type PlacedMailbox } from './mailbox-location.ts';
import { no, type Reply } from './reply.ts';
import type { ImapSession } from './session.ts';

/** A summary is about a kilobyte. */
const summaryBytesMax = 256 * 1024;
/** How long reading waits for memory. */
const budgetWaitMs = 30_000;

/**
 * RFC 6855 section 4. Of a client that asked for UTF-8 all is taken, with the UTF8 extension or without: that it must use it is
 * its own duty, and mail is stored as it came. IMAP4rev2 allows it as well (RFC 9051 6.3.12).
 */
const rawHeader = no('Header has 8-bit characters: ENABLE UTF8=ACCEPT comes first', 'CANNOT');

const tooBusy = no('Too busy, try again later', 'UNAVAILABLE');

/** Bytes to give back when the messages are stored. */
export interface Borrowed {
  bytes: number;
}

/**
 * The messages, or the answer that says why there are none. NULs are taken in plain literals too, though a client must not send
 * them (RFC 9051 4.3.1): who moves old mail in has messages of servers that do not mind, and would end at the first one or leave
 * it behind. Dovecot takes them; nobody is sent them but in a literal8.
 */
export async function newMessages(
  session: ImapSession,
  given: readonly AppendMessage[],
  borrowed: Borrowed,
): Promise<readonly NewMessage[] | Reply> {
  // RFC 3502 says nothing of empty messages; Dovecot and Cyrus refuse them, as they are a client's slip.
  if (given.some((message) => message.size === 0 && message.catenate === undefined))
    return no('Message is empty');
  const messages: NewMessage[] = [];
  for (const { chunks, size, literal8, catenate, flags, internalDate } of given) {
    const bytes =
      catenate === undefined ? joined(chunks, size) : await catenated(session, catenate, borrowed);
    if ('status' in bytes) return bytes;
    if (bytes.length === 0) return no('Message is empty');
    if (!session.utf8 && !session.environment.acceptsRawHeaders && hasRawHeader(bytes)) return rawHeader;
    const came = await prepareMessage(bytes, session.environment);
    const prepared = literal8 ? await encoded(session, bytes, { came, borrowed }) : came;
    if ('status' in prepared) return prepared;
    messages.push({ prepared, flags, internalDate });
  }
  return messages;
}

/**
 * What came in a literal8, as it can be told to clients in plain literals (RFC 3516 section 6). What is stored counts against the
 * limit on size, as it does against the quota.
 */
async function encoded(
  session: ImapSession,
  bytes: Buffer,
  { came, borrowed }: { readonly came: PreparedMessage; readonly borrowed: Borrowed },
): Promise<PreparedMessage | Reply> {
  const { environment } = session;
  const slicer = new Slicer(environment.clock);
  const found = await slicer.finish(findBinaryParts(bytes, summaryStructure(came.summary)));
  if (found === undefined) return came;
  if (found.size > environment.limits.appendBytesMax)
    return no('Message is too large with its binary parts in base64', 'TOOBIG');
  if (!(await borrow(session, found.size, borrowed))) return tooBusy;
  return prepareMessage(await slicer.finish(withoutBinaryParts(bytes, found)), environment);
}

/** Memory for so many bytes; false when there is none. Before those that hold none: what was sent and read is held already. */
async function borrow(session: ImapSession, bytes: number, borrowed: Borrowed): Promise<boolean> {
  if (!(await session.environment.messageBytes.acquire(bytes, budgetWaitMs, true))) return false;
  borrowed.bytes += bytes;
  return true;
}

/** Characters above US-ASCII in the message's header, in whatever charset. */
function hasRawHeader(bytes: Buffer): boolean {
  return (
    !isAscii(bytes.subarray(0, headerBytesMax)) && !isAscii(bytes.subarray(0, headerFields(bytes).fieldsEnd))
  );
}

function joined(chunks: readonly Buffer[], size: number): Buffer {
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size);
}

async function catenated(
  session: ImapSession,
  parts: readonly CatenatePart[],
  borrowed: Borrowed,
): Promise<Buffer | Reply> {
  const { limits } = session.environment;
  const pieces: Buffer[] = [];
  let size = 0;
  for (const part of parts) {
    if ('chunks' in part) {
      pieces.push(joined(part.chunks, part.size));
      size += part.size;
    } else {
      const found = await locate(session, part.url);
      if (found === undefined) return no('No such message or part', badUrlCode(part.text));
      const { length } = found;
      size += length;
      if (size > limits.appendBytesMax) return no('Message is too large', 'TOOBIG');
      if (!(await borrow(session, length, borrowed))) return tooBusy;
      const bytes = await undefinedWhen('noSuchMessage', found.read());
      if (bytes === undefined) return no('No such message or part', badUrlCode(part.text));
      pieces.push(bytes);
    }
    if (size > limits.appendBytesMax) return no('Message is too large', 'TOOBIG');
  }
  return Buffer.concat(pieces, size);
}

interface FoundPart {
  readonly length: number;
  read(): Promise<Buffer>;
}

/** What a URL names; undefined when there is no such thing. */
async function locate(session: ImapSession, url: ImapMessageUrl | undefined): Promise<FoundPart | undefined> {
  if (url === undefined) return undefined;
  const mailbox = await mailboxOfUrl(session, url);
  if (mailbox === undefined || !mailbox.selectable || !mailbox.rights.includes('r')) return undefined;
  const { account } = mailbox;
  if (url.uidValidity !== undefined && url.uidValidity !== mailbox.uidValidity) return undefined;
  const uids = Uint32Array.of(url.uid);
  const [summary] = await account.readSummaries(mailbox.id, uids, summaryBytesMax);
  const size = (await account.columns(mailbox.id, uids)).sizes[0];
  if (summary?.summary === undefined || size === undefined) return undefined;
  const { clock } = session.environment;
  const source = { account, mailboxId: mailbox.id, clock, uid: url.uid, size, bytes: undefined };
  const { isNulFree } = summary;
  const parts = new MessageParts({ ...source, isNulFree, summary: summary.summary });
  const { section, partial } = url;
  const item = contentItem({ type: 'section', peek: true, section, partial, label: '' });
  const located = await undefinedWhen('noSuchMessage', Promise.resolve(parts.locate(item)));
  return located === undefined ? undefined : foundPart(parts, located);
}

async function mailboxOfUrl(session: ImapSession, url: ImapMessageUrl): Promise<PlacedMailbox | undefined> {
  if (url.mailbox !== undefined) return findPlaced(session, url.mailbox);
  const { view } = session;
  const info = await view?.account.findMailbox({ id: view.mailboxId });
  return info && { ...info, account: view!.account };
}

function foundPart(parts: MessageParts, located: NonNullable<Located>): FoundPart {
  if (located.type === 'bytes') {
    return { length: located.bytes.length, read: () => Promise.resolve(located.bytes) };
  }
  const { start, end } = located;
  return { length: end - start, read: async () => parts.read(start, end) };
}
