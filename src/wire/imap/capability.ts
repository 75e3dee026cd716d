// Names of capabilities (RFC 9051 7.2.2, the IANA registry of IMAP capabilities), typed so that a list of
// them cannot have a slip of the pen. Which are offered when is the session's to say.

export type Capability =
  | 'IMAP4rev1'
  | 'IMAP4rev2'
  | 'ACL'
  | 'APPENDLIMIT'
  | `APPENDLIMIT=${number}`
  | `AUTH=${string}`
  | 'BINARY'
  | 'CATENATE'
  | 'CHILDREN'
  | 'COMPRESS=DEFLATE'
  | 'CONDSTORE'
  | 'CONTEXT=SEARCH'
  | 'CONTEXT=SORT'
  | 'CREATE-SPECIAL-USE'
  | 'ENABLE'
  | 'ESEARCH'
  | 'ESORT'
  | 'FILTERS'
  | 'I18NLEVEL=1'
  | 'ID'
  | 'IDLE'
  | 'INPROGRESS'
  | 'LIST-EXTENDED'
  | 'LIST-METADATA'
  | 'LIST-MYRIGHTS'
  | 'LIST-STATUS'
  | 'LITERAL+'
  | 'LITERAL-'
  | 'LOGINDISABLED'
  | `MESSAGELIMIT=${number}`
  | 'METADATA'
  | 'MOVE'
  | 'MULTIAPPEND'
  | 'MULTISEARCH'
  | 'NAMESPACE'
  | 'NOTIFY'
  | 'OBJECTID'
  | 'PARTIAL'
  | 'PREVIEW'
  | 'QRESYNC'
  | 'QUOTA'
  | 'QUOTA=RES-MESSAGE'
  | 'QUOTA=RES-STORAGE'
  | 'QUOTASET'
  | 'REPLACE'
  | 'RIGHTS=texk'
  | 'SASL-IR'
  | 'SAVEDATE'
  | 'SEARCH=FUZZY'
  | 'SEARCHRES'
  | 'SORT'
  | 'SORT=DISPLAY'
  | 'SPECIAL-USE'
  | 'STARTTLS'
  | 'STATUS=SIZE'
  | 'THREAD=ORDEREDSUBJECT'
  | 'THREAD=REFERENCES'
  | 'THREAD=REFS'
  | 'UIDONLY'
  | 'UIDPLUS'
  | 'UNAUTHENTICATE'
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
