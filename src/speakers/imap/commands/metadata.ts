// GETMETADATA and SETMETADATA (RFC 5464). The annotations of the server are each account's own, so clients set only
// private ones of it; nothing is told unasked (4.4: only with ENABLE METADATA, which is not offered).

import type { AccountPort, Annotation } from '../../../account/port.ts';
import { annotationBytesMax } from '../../../account/records/annotation-record.ts';
import type { MailboxId } from '../../../mail/ids.ts';
import { isMailError } from '../../../mail/mail-error.ts';
import { formatMetadata, type MetadataEntry } from '../../../wire/imap/format-metadata.ts';
import type { GetMetadataCommand, SetMetadataCommand } from '../../../wire/imap/mailbox-command.ts';
import { metadataCode } from '../../../wire/imap/response-code.ts';
import { isFilterKept } from '../filters.ts';
import { type PlacedMailbox, placedMailbox } from '../mailbox-location.ts';
import { attributesOfRole } from '../mailbox-names.ts';
import { no, ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession } from '../session.ts';

/** What LIST tells as attributes (RFC 6154 section 4): no annotation that is kept, so it is only told. */
const specialUseEntry = '/private/specialuse';

const got = ok('Getmetadata completed');
const done = ok('Setmetadata completed');

export async function getMetadata(session: ImapSession, command: GetMetadataCommand): Promise<Reply> {
  const found = chosenEntries(await entriesOf(session, command.mailbox), command);
  const { maxSize } = command;
  const told = found.filter(
    ([, value]) => value === undefined || maxSize === undefined || value.length <= maxSize,
  );
  if (told.length > 0) session.connection.write(formatMetadata(command.mailbox, told, session));
  if (told.length === found.length) return got;
  const longest = Math.max(...found.map(([, value]) => value?.length ?? 0));
  return ok(got.text, metadataCode('LONGENTRIES', longest));
}

export async function setMetadata(session: ImapSession, command: SetMetadataCommand): Promise<Reply> {
  const { changes } = command;
  if (command.mailbox === '' && changes.some(({ name }) => name.startsWith('/shared/'))) {
    return no('Annotations of the server are read-only', 'NOPERM');
  }
  if (changes.some(({ value }) => value !== undefined && value.length > annotationBytesMax)) {
    return no('Annotation is too large', metadataCode('MAXSIZE', annotationBytesMax));
  }
  const isServer = command.mailbox === '';
  if (!isServer && changes.some(({ name }) => name === specialUseEntry))
    return no('Special uses are given by CREATE', 'CANNOT');
  // RFC 5466 3.2.
  if (isServer && changes.some(({ name, value }) => value !== undefined && !isFilterKept(name, value)))
    return no('Not a search', 'CANNOT');
  const { annotations, mailboxId } = await holder(session, command.mailbox);
  try {
    await annotations.setAnnotations({ operation: session.operation(), mailboxId, changes });
    return done;
  } catch (error) {
    if (!isMailError(error, 'limitReached')) throw error;
    return no('Too many annotations', 'METADATA TOOMANY');
  }
}

/** `* METADATA` of a mailbox of LIST: what is not there is NIL (RFC 9590 section 3). */
export async function metadataResponse(
  session: ImapSession,
  mailbox: PlacedMailbox,
  entries: readonly string[],
): Promise<string> {
  const chosen = chosenEntries(await entriesOfMailbox(mailbox), { entries, depth: 0 });
  return formatMetadata(mailbox.name, chosen, session);
}

async function holder(
  session: ImapSession,
  mailbox: string,
): Promise<{ readonly annotations: AccountPort; readonly mailboxId: MailboxId | undefined }> {
  if (mailbox === '') return { annotations: accountOf(session), mailboxId: undefined };
  const { account, id } = await placedMailbox(session, mailbox);
  return { annotations: account, mailboxId: id };
}

async function entriesOf(session: ImapSession, mailbox: string): Promise<readonly Annotation[]> {
  if (mailbox === '') return accountOf(session).annotations(undefined);
  return entriesOfMailbox(await placedMailbox(session, mailbox));
}

async function entriesOfMailbox({ account, id, role }: PlacedMailbox): Promise<readonly Annotation[]> {
  const annotations = await account.annotations(id);
  const uses = attributesOfRole(role);
  if (uses.length === 0) return annotations;
  return [...annotations, { name: specialUseEntry, value: Buffer.from(uses.join(' ')) }];
}

/** What is asked by name is told as NIL when it is not there; what may be below it is not. */
function chosenEntries(
  annotations: readonly Annotation[],
  { entries, depth }: Pick<GetMetadataCommand, 'entries' | 'depth'>,
): MetadataEntry[] {
  const chosen = new Map<string, Uint8Array | undefined>();
  for (const entry of entries) {
    if (depth === 0) chosen.set(entry, annotations.find(({ name }) => name === entry)?.value);
    else for (const { name, value } of annotations) if (isWithin(name, entry, depth)) chosen.set(name, value);
  }
  return [...chosen];
}

/** RFC 5464 4.2.2. */
function isWithin(name: string, entry: string, depth: 1 | 'infinity'): boolean {
  if (name === entry) return true;
  if (!name.startsWith(`${entry}/`)) return false;
  return depth === 'infinity' || !name.slice(entry.length + 1).includes('/');
}
