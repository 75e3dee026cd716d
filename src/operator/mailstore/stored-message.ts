// One message of a mail store on disk, as import reads it and export writes it.

export interface StoredMessage {
  /** The mailbox's name, levels separated by '/'. */
  readonly mailbox: string;
  /** IMAP flag and keyword names. */
  readonly flags: readonly string[];
  /** Internal date, seconds since 1970 UTC; undefined: unknown. */
  readonly date: number | undefined;
  readonly bytes: Buffer;
  /** Where it was read, for error messages. */
  readonly source: string;
}

/** A store on disk that can say how many messages it has before they are read. */
export interface MessageSource {
  readonly total: number;
  messages(): AsyncIterable<StoredMessage>;
}

/**
 * Unix tools store messages with bare LF. A message with LF alone and no CR gets CRLF, as the protocols need it; anything
 * else is left as it is, so that nothing is lost. `toUnixNewlines` is the exact inverse.
 */
export function toNetworkNewlines(bytes: Buffer): Buffer {
  if (bytes.includes(13) || !bytes.includes(10)) return bytes;
  return Buffer.from(bytes.toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
}

/** CRLF becomes LF when every line ends in CRLF and there is no other CR; otherwise the bytes stay. */
export function toUnixNewlines(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  const converted = text.replaceAll('\r\n', '\n');
  const isUniform =
    !converted.includes('\r') && text.length - converted.length === converted.split('\n').length - 1;
  return isUniform ? Buffer.from(converted, 'latin1') : bytes;
}
