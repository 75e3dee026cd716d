// What the failure of a system call on a file means to the blob store, and what its callers get to see of it.
// Nothing here fails.

import { Fault } from '../../base/fault.ts';
import { MailError } from '../../mail/mail-error.ts';

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

export function isThereAlready(error: unknown): boolean {
  return codeOf(error) === 'EEXIST';
}

/** Another file system, or one without links, or a file with too many of them, or not ours. */
export function isUnlinkable(error: unknown): boolean {
  return ['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(String(codeOf(error)));
}

/** What a caller gets to see of a failed system call. */
export function fileFailure(what: string, cause: unknown): Error {
  const code = codeOf(cause);
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new MailError('storageFull', 'no room for a blob', { cause });
  if (cause instanceof Fault || cause instanceof MailError) return cause;
  return new Fault(`${what} failed`, { temporary: true, cause });
}
