// Message identifiers out of Message-ID, In-Reply-To and References, for threading (RFC 5256, RFC 5322 3.6.4).

/** The newest ones are kept beyond this: they are at the end and tell most. Bounds threading's work for a message. */
export const referencesMax = 100;
/** RFC 5322 2.1.1: no line is longer. */
const messageIdLengthMax = 998;

const identifier = /<([^<>]{1,2000})>/g;

/** The identifiers without their angle brackets, white space taken out, in order, each once. */
export function messageIds(value: string | undefined): string[] {
  if (value === undefined) return [];
  const found = new Set<string>();
  // Not matchAll: that makes a pattern anew for each value.
  identifier.lastIndex = 0;
  for (let match = identifier.exec(value); match !== null; match = identifier.exec(value)) {
    const id = match[1]!.replace(/\s+/g, '');
    if (id !== '' && id.length <= messageIdLengthMax) found.add(normalQuotes(id));
  }
  const ids = [...found];
  return ids.length > referencesMax ? ids.slice(-referencesMax) : ids;
}

/** The identifier of a message; a bare one without brackets is taken as it stands. */
export function ownMessageId(value: string | undefined): string | undefined {
  const [first] = messageIds(value);
  if (first !== undefined) return first;
  const bare = value?.trim() ?? '';
  return bare === '' || bare.length > messageIdLengthMax || /[\s<>]/.test(bare) ? undefined : bare;
}

/** `<"a"@b>` and `<a@b>` are the same identifier (RFC 5256 2.2). */
function normalQuotes(id: string): string {
  if (!id.startsWith('"')) return id;
  const match = /^"([^"\\]+)"@(.+)$/.exec(id);
  return match === null ? id : `${match[1]}@${match[2]}`;
}

/** What a message refers to, oldest first: References, or In-Reply-To's first when there are none (RFC 5256 3). */
export function referencedIds(references: string | undefined, inReplyTo: string | undefined): string[] {
  const ids = messageIds(references);
  return ids.length > 0 ? ids : messageIds(inReplyTo).slice(0, 1);
}
