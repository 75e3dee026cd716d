// Deliveries over links: for nodes that may put messages into accounts and nothing else. Only the message's bytes travel.
// Fails as AccountRouting does; parsing with invalidArgument.

import { z } from 'zod';
import type { Delivery } from '../account/delivery.ts';
import { MailError } from '../mail/mail-error.ts';

/** Beside the methods of the account port. */
export const deliverMethod = 'deliver';

/** RFC 5321 4.5.3.1.1: a local part has 64 octets; more is let through to where it finds no mailbox. */
const detailCharactersMax = 512;

const schema = z.object({
  operation: z.string().regex(/^[\x20-\x7e]{1,80}$/),
  bytes: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  detail: z.string().max(detailCharactersMax).optional(),
});

export function formatDelivery({ operation, message, detail }: Delivery): unknown {
  return { operation, bytes: message.prepared.bytes, detail };
}

export function parseDelivery(given: unknown): z.output<typeof schema> {
  const parsed = schema.safeParse(given);
  if (!parsed.success) throw new MailError('invalidArgument', 'this is no delivery');
  return parsed.data;
}
