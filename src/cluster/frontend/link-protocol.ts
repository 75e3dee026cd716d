// A protocol over links as a table: each method with the shapes of its question and its answer, for both ends.
// What does not have its shape goes no further: a question is refused with invalidArgument, an answer is a Fault.

import type { z } from 'zod';
import { Fault } from '../../base/fault.ts';
import { MailError } from '../../mail/mail-error.ts';

export type LinkProtocol = Readonly<
  Record<string, { readonly question: z.ZodType; readonly answer: z.ZodType }>
>;

export type MethodOf<Protocol extends LinkProtocol> = keyof Protocol & string;
export type QuestionOf<Protocol extends LinkProtocol, Method extends MethodOf<Protocol>> = z.output<
  Protocol[Method]['question']
>;
export type AnswerOf<Protocol extends LinkProtocol, Method extends MethodOf<Protocol>> = z.output<
  Protocol[Method]['answer']
>;

export function hasMethod<Protocol extends LinkProtocol>(
  protocol: Protocol,
  method: string,
): method is MethodOf<Protocol> {
  return Object.hasOwn(protocol, method);
}

/** Throws MailError invalidArgument. */
export function parseMethodQuestion<Protocol extends LinkProtocol, Method extends MethodOf<Protocol>>(
  protocol: Protocol,
  method: Method,
  given: unknown,
): QuestionOf<Protocol, Method> {
  const parsed = protocol[method]!.question.safeParse(given);
  if (!parsed.success) throw new MailError('invalidArgument', `no question of ${method}`);
  return parsed.data as QuestionOf<Protocol, Method>;
}

/** Throws Fault (not temporary). */
export function parseMethodAnswer<Protocol extends LinkProtocol, Method extends MethodOf<Protocol>>(
  protocol: Protocol,
  method: Method,
  given: unknown,
): AnswerOf<Protocol, Method> {
  const parsed = protocol[method]!.answer.safeParse(given);
  if (parsed.success) return parsed.data as AnswerOf<Protocol, Method>;
  throw new Fault(`a node answered ${method} with something else`, { temporary: false, cause: parsed.error });
}
