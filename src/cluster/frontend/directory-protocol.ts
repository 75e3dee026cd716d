// What nodes of the outer zone ask of the directory, over links: the shapes of questions and answers, for both ends
// (link-protocol.ts).
// Invariant: no answer holds a secret: no hash, no key of a SCRAM verifier; no question lists anything.

import { z } from 'zod';
import { services } from '../../directory/directory.ts';
import type { AnswerOf, MethodOf, QuestionOf } from './link-protocol.ts';

export const directoryServiceName = 'directory';

/** As long as a SASL message may be (wire/sasl). */
const text = z.string().max(4096);
const short = z.string().max(512);
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= 4096);
const accountId = z.string().regex(/^[a-z2-7]{16}$/);
const context = z.object({ service: z.enum(services), remoteAddress: short, traceId: short });
const address = z.object({ localPart: text, domain: text });

const principal = z.object({
  accountId,
  address: text,
  administrator: z.boolean(),
  appPasswordId: short.optional(),
  sessionEpoch: short.optional(),
});
const granted = z.object({ grant: bytes, endsInMs: z.number().min(0) });
const target = z.discriminatedUnion('type', [
  z.object({ type: z.literal('account'), accountId, address: text, detail: text.optional() }),
  z.object({ type: z.literal('outside'), address: text }),
]);
const resolution = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('deliver'), targets: z.array(target) }),
  z.object({ outcome: z.enum(['foreign', 'unknownUser', 'disabled', 'aliasLoop']) }),
]);

/** Every method there is. */
export const directoryMethods = {
  verifyPassword: {
    question: z.object({ user: text, password: text, authorizationId: text, context }),
    answer: z.object({ principal, ...granted.shape }),
  },
  /** Begins a SCRAM exchange: what the client is told anyway. */
  scramChallenge: {
    question: z.object({ user: text, context }),
    answer: z.object({ salt: bytes, iterations: z.int().min(1), nonce: short }),
  },
  proveScram: {
    question: z.object({
      user: text,
      authorizationId: text,
      clientFirst: text,
      clientNonce: text,
      nonce: short,
      withoutProof: text,
      proof: bytes,
      context,
    }),
    answer: z.object({ principal, signature: bytes, ...granted.shape }),
  },
  /** The exchange went wrong before there was a proof to check. */
  failScram: { question: z.object({ user: text, authorizationId: text, context }), answer: z.undefined() },
  /** With the grant of a session that goes on. */
  renewGrant: { question: z.undefined(), answer: granted },
  resolve: { question: address, answer: resolution },
  /** With the grant of the session that wants to send. */
  ownsAddress: { question: z.object({ accountId, address }), answer: z.boolean() },
} as const;

type DirectoryProtocol = typeof directoryMethods;
export type DirectoryMethod = MethodOf<DirectoryProtocol>;
export type DirectoryQuestion<Method extends DirectoryMethod> = QuestionOf<DirectoryProtocol, Method>;
export type DirectoryAnswer<Method extends DirectoryMethod> = AnswerOf<DirectoryProtocol, Method>;
