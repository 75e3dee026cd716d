// The table of commands: in which states each is allowed, who handles it, what the client may be told of the selected
// mailbox at its end, and where it is specified. The dispatcher reads it; a command without an entry does not compile.

import type { Command, CommandName } from '../../wire/imap/command.ts';
import { deleteAcl, getAcl, listRights, myRights, setAcl } from './commands/acl.ts';
import { append } from './commands/append.ts';
import { authenticate } from './commands/authenticate.ts';
import { cancelUpdate } from './commands/cancel-update.ts';
import { capability } from './commands/capability.ts';
import { check } from './commands/check.ts';
import { close } from './commands/close.ts';
import { compress } from './commands/compress.ts';
import { copy } from './commands/copy.ts';
import { create } from './commands/create.ts';
import { deleteMailbox } from './commands/delete.ts';
import { enable } from './commands/enable.ts';
import { expunge } from './commands/expunge.ts';
import { fetch } from './commands/fetch.ts';
import { id } from './commands/id.ts';
import { idle } from './commands/idle.ts';
import { list } from './commands/list.ts';
import { login } from './commands/login.ts';
import { logout } from './commands/logout.ts';
import { lsub } from './commands/lsub.ts';
import { getMetadata, setMetadata } from './commands/metadata.ts';
import { move } from './commands/move.ts';
import { multisearch } from './commands/multisearch.ts';
import { namespace } from './commands/namespace.ts';
import { noop } from './commands/noop.ts';
import { notify } from './commands/notify.ts';
import { getQuota, getQuotaRoot, setQuota } from './commands/quota.ts';
import { rename } from './commands/rename.ts';
import { replace } from './commands/replace.ts';
import { search } from './commands/search.ts';
import { select } from './commands/select.ts';
import { startTls } from './commands/starttls.ts';
import { status } from './commands/status.ts';
import { store } from './commands/store.ts';
import { subscribe } from './commands/subscribe.ts';
import { thread } from './commands/thread.ts';
import { unauthenticate } from './commands/unauthenticate.ts';
import { unselect } from './commands/unselect.ts';
import type { Reply } from './reply.ts';
import type { ImapSession, SessionState } from './session.ts';

/** The member of the command union whose name may be `Name`. */
export type CommandOf<Name extends CommandName> = Command extends infer Member
  ? Member extends Command
    ? Name extends Member['name']
      ? Member
      : never
    : never
  : never;

export interface CommandEntry<Name extends CommandName> {
  readonly states: readonly SessionState[];
  handler(session: ImapSession, command: CommandOf<Name>): Promise<Reply> | Reply;
  /**
   * What is told before the tagged answer: everything; no EXPUNGE when the command used message numbers (RFC 9051
   * 7.5.1: it would renumber what the client is reading about); nothing.
   */
  readonly updates: 'all' | 'expungeIfUid' | 'none';
  /** Its own EXPUNGE responses are among the updates: they are told whatever NOTIFY asked for. */
  readonly tellsExpunge?: boolean;
  /** Updates are looked for even when no event announced any: polling is what the client asks for. */
  readonly polls?: boolean;
  /** It may take long before it writes anything, and then writes whole lines: INPROGRESS may be told meanwhile. */
  readonly showsProgress?: boolean;
  readonly rfc: string;
}

const any: readonly SessionState[] = ['notAuthenticated', 'authenticated', 'selected'];
const before: readonly SessionState[] = ['notAuthenticated'];
const after: readonly SessionState[] = ['authenticated', 'selected'];
const selected: readonly SessionState[] = ['selected'];

export const commandTable: { readonly [Name in CommandName]: CommandEntry<Name> } = {
  CAPABILITY: { states: any, handler: capability, updates: 'all', rfc: '9051 6.1.1' },
  NOOP: { states: any, handler: noop, updates: 'all', polls: true, rfc: '9051 6.1.2' },
  LOGOUT: { states: any, handler: logout, updates: 'none', rfc: '9051 6.1.3' },
  ID: { states: any, handler: id, updates: 'all', rfc: '2971' },
  STARTTLS: { states: before, handler: startTls, updates: 'none', rfc: '9051 6.2.1' },
  AUTHENTICATE: { states: before, handler: authenticate, updates: 'none', rfc: '9051 6.2.2' },
  LOGIN: { states: before, handler: login, updates: 'none', rfc: '9051 6.2.3' },
  COMPRESS: { states: after, handler: compress, updates: 'none', rfc: '4978' },
  UNAUTHENTICATE: { states: after, handler: unauthenticate, updates: 'none', rfc: '8437' },
  ENABLE: { states: after, handler: enable, updates: 'all', rfc: '5161, 9051 6.3.1' },
  SELECT: { states: after, handler: select, updates: 'all', rfc: '9051 6.3.2' },
  EXAMINE: { states: after, handler: select, updates: 'all', rfc: '9051 6.3.3' },
  CREATE: { states: after, handler: create, updates: 'all', rfc: '9051 6.3.4, 6154' },
  DELETE: { states: after, handler: deleteMailbox, updates: 'all', showsProgress: true, rfc: '9051 6.3.5' },
  RENAME: { states: after, handler: rename, updates: 'all', showsProgress: true, rfc: '9051 6.3.6' },
  SUBSCRIBE: { states: after, handler: subscribe, updates: 'all', rfc: '9051 6.3.7' },
  UNSUBSCRIBE: { states: after, handler: subscribe, updates: 'all', rfc: '9051 6.3.8' },
  LIST: { states: after, handler: list, updates: 'all', rfc: '9051 6.3.9, 5258, 5819, 6154, 8440' },
  NOTIFY: { states: after, handler: notify, updates: 'all', polls: true, rfc: '5465' },
  GETMETADATA: { states: after, handler: getMetadata, updates: 'all', rfc: '5464 4.2' },
  SETMETADATA: { states: after, handler: setMetadata, updates: 'all', rfc: '5464 4.3' },
  SETACL: { states: after, handler: setAcl, updates: 'all', rfc: '4314 3.1' },
  DELETEACL: { states: after, handler: deleteAcl, updates: 'all', rfc: '4314 3.2' },
  GETACL: { states: after, handler: getAcl, updates: 'all', rfc: '4314 3.3' },
  LISTRIGHTS: { states: after, handler: listRights, updates: 'all', rfc: '4314 3.4' },
  MYRIGHTS: { states: after, handler: myRights, updates: 'all', rfc: '4314 3.5' },
  GETQUOTA: { states: after, handler: getQuota, updates: 'all', rfc: '9208 4.1.1' },
  GETQUOTAROOT: { states: after, handler: getQuotaRoot, updates: 'all', rfc: '9208 4.1.2' },
  SETQUOTA: { states: after, handler: setQuota, updates: 'all', rfc: '9208 4.1.3' },
  LSUB: { states: after, handler: lsub, updates: 'all', rfc: '3501 6.3.9' },
  NAMESPACE: { states: after, handler: namespace, updates: 'all', rfc: '9051 6.3.10' },
  STATUS: { states: after, handler: status, updates: 'all', rfc: '9051 6.3.11' },
  APPEND: {
    states: after,
    handler: append,
    updates: 'all',
    showsProgress: true,
    rfc: '9051 6.3.12, 3502, 4315, 4469',
  },
  REPLACE: {
    states: selected,
    handler: replace,
    updates: 'all',
    tellsExpunge: true,
    showsProgress: true,
    rfc: '8508',
  },
  IDLE: { states: after, handler: idle, updates: 'all', rfc: '9051 6.3.13' },
  CHECK: { states: selected, handler: check, updates: 'all', polls: true, rfc: '3501 6.4.1' },
  CLOSE: { states: selected, handler: close, updates: 'none', showsProgress: true, rfc: '9051 6.4.1' },
  UNSELECT: { states: selected, handler: unselect, updates: 'none', rfc: '9051 6.4.2' },
  EXPUNGE: {
    states: selected,
    handler: expunge,
    updates: 'all',
    tellsExpunge: true,
    showsProgress: true,
    rfc: '9051 6.4.3, 4315',
  },
  SEARCH: {
    states: selected,
    handler: search,
    updates: 'expungeIfUid',
    showsProgress: true,
    rfc: '9051 6.4.4, 4731, 5182, 5267, 6203, 9394',
  },
  SORT: {
    states: selected,
    handler: search,
    updates: 'expungeIfUid',
    showsProgress: true,
    rfc: '5256, 5267, 5957',
  },
  THREAD: {
    states: selected,
    handler: thread,
    updates: 'expungeIfUid',
    showsProgress: true,
    rfc: '5256',
  },
  ESEARCH: { states: after, handler: multisearch, updates: 'all', showsProgress: true, rfc: '7377' },
  CANCELUPDATE: { states: after, handler: cancelUpdate, updates: 'all', rfc: '5267 4.3.5' },
  FETCH: { states: selected, handler: fetch, updates: 'expungeIfUid', rfc: '9051 6.4.5, 7162' },
  STORE: {
    states: selected,
    handler: store,
    updates: 'expungeIfUid',
    showsProgress: true,
    rfc: '9051 6.4.6, 7162',
  },
  COPY: { states: selected, handler: copy, updates: 'all', showsProgress: true, rfc: '9051 6.4.7, 4315' },
  MOVE: {
    states: selected,
    handler: move,
    updates: 'all',
    tellsExpunge: true,
    showsProgress: true,
    rfc: '9051 6.4.8, 6851',
  },
};
