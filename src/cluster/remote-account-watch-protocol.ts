// What a held watch of an account carries beside its events: how it begins, and the counting of the sessions behind it.
// Invariant: as for methods (remote-account-methods.ts), nothing of another node passes unchecked.
// Fails with MailError invalidArgument (what a watcher sends) or a Fault (what a host sends).

import { z } from 'zod';
import { checked, resultOf, text, texts, whole } from './remote-account-values.ts';
import type { NodeSessions } from './session-census.ts';

const service = z.enum(['imap', 'pop3']);
/** `service`: that of the sessions behind the watch, which are asked for their number; `epoch`: they logged in under it. */
const watchRequest = z.object({
  since: whole.optional(),
  service: service.optional(),
  epoch: text.optional(),
});

export function parseWatchRequest(given: unknown): z.infer<typeof watchRequest> {
  return checked(watchRequest, given);
}

const sessionsTold = z.object({ question: whole, count: whole });

/** The answer to a question that came with a watch's events. */
export function parseSessionsTold(given: unknown): z.infer<typeof sessionsTold> {
  return checked(sessionsTold, given);
}

const nodeSessions = z.array(z.object({ node: text, service, sessions: whole.optional() }));

export function parseNodeSessions(wire: unknown): NodeSessions[] {
  return resultOf(nodeSessions, wire, 'countSessions') as NodeSessions[];
}

const question = z.object({ question: whole });

/** Undefined: what the host of a watched account said are events. */
export function parseQuestion(wire: unknown): number | undefined {
  return Array.isArray(wire) ? undefined : resultOf(question, wire, 'watch').question;
}

const events = z.array(
  z.discriminatedUnion('type', [
    z.object({ type: z.literal('mailbox'), mailboxId: whole, modSeq: whole }),
    z.object({ type: z.literal('mailboxes'), modSeq: whole }),
    z.object({
      type: z.literal('annotations'),
      mailboxId: whole.optional(),
      names: texts,
      modSeq: whole,
    }),
    z.object({ type: z.literal('closed') }),
  ]),
);

export function parseEvents(wire: unknown): unknown[] {
  return resultOf(events, wire, 'watch');
}
