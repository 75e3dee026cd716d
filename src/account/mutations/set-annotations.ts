// Sets and removes annotations of a mailbox or of the account (RFC 5464 4.3), all or none.
// Refuses: noSuchMailbox, messageTooLarge (a value), limitReached (their number, or all of them together).

import type { ModSeq } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import type { Annotation, SetAnnotationsOptions } from '../port.ts';
import {
  annotationBytesMax,
  annotationsBytesMax,
  annotationsMax,
  decodeAnnotations,
  encodeAnnotations,
} from '../records/annotation-record.ts';
import type { Draft } from '../writing/draft.ts';
import type { Mutation } from './mutation.ts';
import { mailboxOf } from './store-flags.ts';

/** Alone in its commit: it reads a row that a draft does not keep. */
export function setAnnotationsMutation(options: SetAnnotationsOptions): Mutation<ModSeq | undefined> {
  return {
    name: 'setAnnotations',
    operation: options.operation,
    bytes: annotationsBytesMax,
    exclusive: true,
    decide: (draft) => decide(draft, options),
    result: (modSeq) => (modSeq === undefined ? [] : [modSeq]),
    replay: ([modSeq]) => modSeq as ModSeq | undefined,
  };
}

async function decide(
  draft: Draft,
  { mailboxId, changes }: SetAnnotationsOptions,
): Promise<ModSeq | undefined> {
  const mailbox = mailboxId === undefined ? undefined : mailboxOf(draft, mailboxId);
  const key = draft.state.keys.annotations(mailboxId);
  const before = await draft.context.engine.get(key);
  const annotations = changed(decodeAnnotations(before), changes);
  const after = annotations.length === 0 ? undefined : encodeAnnotations(annotations);
  if (after === undefined ? before === undefined : before !== undefined && after.equals(before))
    return undefined;
  // RFC 7162 3.2: a changed annotation is a change of its mailbox.
  const modSeq = draft.nextModSeq();
  mailbox?.touch(modSeq);
  draft.annotationsChanged = { mailboxId, names: changes.map(({ name }) => name) };
  if (after === undefined) draft.deletes.push(key);
  else {
    draft.puts.push({ key, value: after });
    draft.needsRoom = true;
  }
  return modSeq as ModSeq;
}

function changed(before: readonly Annotation[], changes: SetAnnotationsOptions['changes']): Annotation[] {
  const values = new Map(before.map(({ name, value }) => [name, value]));
  for (const { name, value } of changes) {
    if (value === undefined) values.delete(name);
    else if (value.length <= annotationBytesMax) values.set(name, value);
    else throw new MailError('messageTooLarge', `an annotation of more than ${annotationBytesMax} bytes`);
  }
  let bytes = 0;
  for (const value of values.values()) bytes += value.length;
  if (values.size > annotationsMax || bytes > annotationsBytesMax) {
    throw new MailError('limitReached', 'too many annotations');
  }
  return [...values].map(([name, value]) => ({ name, value })).sort((a, b) => (a.name < b.name ? -1 : 1));
}
