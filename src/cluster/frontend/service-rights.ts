// What a session of each service may do with its account from the outer zone: one table of the port's methods. Whoever adds
// a method to the port decides here; without a decision it does not compile.

import type { Service } from '../../directory/directory.ts';
import type { AccountMethod } from '../remote-account-methods.ts';

/** What crosses links for a session beside the port's methods. */
type SessionMethod = AccountMethod | 'open' | 'watch' | 'tellSessions' | 'lockMaildrop';

const imap: readonly Service[] = ['imap'];
const both: readonly Service[] = ['imap', 'pop3'];

const rights: Readonly<Record<SessionMethod, readonly Service[]>> = {
  open: both,
  watch: both,
  tellSessions: both,
  lockMaildrop: ['pop3'],
  listMailboxes: imap,
  findMailbox: imap,
  createMailbox: imap,
  renameMailbox: imap,
  deleteMailbox: imap,
  setSubscribed: imap,
  openMailbox: both,
  columns: both,
  sentSizes: both,
  changesSince: imap,
  append: imap,
  stage: imap,
  appendStaged: imap,
  discardStaged: imap,
  storeFlags: imap,
  copy: imap,
  expunge: both,
  readSummaries: imap,
  readHeaderFields: imap,
  readMessages: both,
  readRange: both,
  search: imap,
  sort: imap,
  thread: imap,
  replace: imap,
  acl: imap,
  setAcl: imap,
  accountsSharedWithMe: imap,
  annotations: imap,
  setAnnotations: imap,
  quota: imap,
  /** The administrator's. */
  setQuota: [],
  searchIndex: [],
  rebuildSearchIndex: [],
};

/** Services whose sessions go to others' mailboxes too. */
const amongOthers: readonly Service[] = ['imap'];

/** Whether a session of the service may call it; `forOthers`: with an account that is not its own. */
export function mayCall(service: Service, method: string, forOthers: boolean): boolean {
  if (forOthers && !amongOthers.includes(service)) return false;
  return Object.hasOwn(rights, method) && rights[method as SessionMethod].includes(service);
}
