// Names of capabilities (RFC 9051 7.2.2, the IANA registry of IMAP capabilities), typed so that a list of
// them cannot have a slip of the pen. Which are offered when is the session's to say.

export type Capability =
  | 'IMAP4rev1'
  | 'IMAP4rev2'
  | 'APPENDLIMIT'
  | `APPENDLIMIT=${number}`
  | `AUTH=${string}`
  | 'BINARY'
  | 'CHILDREN'
  | 'CONDSTORE'
  | 'CREATE-SPECIAL-USE'
  | 'ENABLE'
  | 'ESEARCH'
  | 'ID'
  | 'IDLE'
  | 'LIST-EXTENDED'
  | 'LIST-STATUS'
  | 'LITERAL+'
  | 'LITERAL-'
  | 'LOGINDISABLED'
  | 'MOVE'
  | 'MULTIAPPEND'
  | 'NAMESPACE'
  | 'OBJECTID'
  | 'PREVIEW'
  | 'QRESYNC'
  | 'SASL-IR'
  | 'SAVEDATE'
  | 'SEARCHRES'
  | 'SPECIAL-USE'
  | 'STARTTLS'
  | 'STATUS=SIZE'
  | 'UIDPLUS'
  | 'UNSELECT'
  | 'UTF8=ACCEPT'
  | 'WITHIN';

/** `* CAPABILITY …` CRLF. */
export function formatCapability(capabilities: readonly Capability[]): string {
  return `* CAPABILITY ${capabilities.join(' ')}\r\n`;
}

/** `* ENABLED …` CRLF (RFC 5161); perhaps none. */
export function formatEnabled(capabilities: readonly string[]): string {
  return `* ENABLED${capabilities.map((capability) => ` ${capability}`).join('')}\r\n`;
}
