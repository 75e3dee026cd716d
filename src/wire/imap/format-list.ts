// LIST and LSUB responses (RFC 9051 7.3.1, RFC 5258). Lines end with CRLF; latin1.

import { formatMailboxName } from './format-string.ts';

export interface ListEntry {
  readonly name: string;
  /** As `\HasChildren`, `\Noselect`, `\Drafts`: our own words, written as they are. */
  readonly attributes: readonly string[];
  /** A single character; undefined: a flat name space (NIL). */
  readonly delimiter: string | undefined;
  /** CHILDINFO of RECURSIVEMATCH: why a parent is listed (RFC 5258 3.5). */
  readonly childInfo?: readonly ('SUBSCRIBED' | 'SPECIAL-USE')[];
  /** The former name, told on RENAME and CREATE in rev2 (RFC 9051 6.3.9.7). */
  readonly oldName?: string;
}

export function formatList(response: 'LIST' | 'LSUB', entry: ListEntry, options: { utf8: boolean }): string {
  const { name, attributes, delimiter, childInfo, oldName } = entry;
  let extended = '';
  if (childInfo !== undefined && childInfo.length > 0)
    extended += `"CHILDINFO" (${childInfo.map((option) => `"${option}"`).join(' ')})`;
  if (oldName !== undefined)
    extended += `${extended === '' ? '' : ' '}"OLDNAME" (${formatMailboxName(oldName, options.utf8)})`;
  const tail = extended === '' ? '' : ` (${extended})`;
  const mailbox = formatMailboxName(name, options.utf8);
  return `* ${response} (${attributes.join(' ')}) ${formatDelimiter(delimiter)} ${mailbox}${tail}\r\n`;
}

type Namespaces = readonly (readonly [prefix: string, delimiter: string | undefined])[];

/** `* NAMESPACE (("" "/")) (("Other Users/" "/")) NIL` (RFC 9051 7.3.3). */
export function formatNamespace(
  namespaces: { readonly personal: Namespaces; readonly otherUsers: Namespaces; readonly shared: Namespaces },
  options: { utf8: boolean },
): string {
  const { personal, otherUsers, shared } = namespaces;
  const lists = [personal, otherUsers, shared].map((each) => namespaceList(each, options));
  return `* NAMESPACE ${lists.join(' ')}\r\n`;
}

function namespaceList(namespaces: Namespaces, options: { utf8: boolean }): string {
  const list = namespaces.map(([prefix, delimiter]) => {
    // A namespace prefix is a string, never an atom.
    const name = formatMailboxName(prefix, options.utf8);
    const quoted = name.startsWith('"') || name.startsWith('{') ? name : `"${name}"`;
    return `(${quoted} ${formatDelimiter(delimiter)})`;
  });
  return list.length === 0 ? 'NIL' : `(${list.join('')})`;
}

function formatDelimiter(delimiter: string | undefined): string {
  if (delimiter === undefined) return 'NIL';
  return delimiter === '"' || delimiter === '\\' ? `"\\${delimiter}"` : `"${delimiter}"`;
}
