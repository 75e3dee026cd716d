// The THREAD response with the client's numbers (RFC 5256 section 4), made in slices: an answer may name every message of a
// large mailbox. Nothing of it is written before it is whole (progress.ts). Nothing fails.

import type { Clock } from '../../base/clock.ts';
import { Slicer } from '../../base/slicer.ts';
import { formatThreadSteps } from '../../wire/imap/format-esearch.ts';
import type { MailboxView } from './view.ts';

/** Pairs looked up in a step: a fraction of a millisecond. */
const stepPairs = 1000;

export interface ThreadTextOptions {
  readonly view: Pick<MailboxView, 'sequenceOf'>;
  /** UIDs, not sequence numbers. */
  readonly uid: boolean;
  readonly clock: Clock;
}

/** `pairs`: depth and UID, as the account gives them; UID 0: a parent that is not there. */
export async function threadText(pairs: Uint32Array, options: ThreadTextOptions): Promise<string> {
  const slicer = new Slicer(options.clock);
  const told = await slicer.finish(knownSteps(pairs, options));
  return slicer.finish(formatThreadSteps(told));
}

/** With the client's numbers; what it does not know yet is left out, what is below it moves up. */
function* knownSteps(
  pairs: Uint32Array,
  { view, uid }: ThreadTextOptions,
): Generator<undefined, number[], void> {
  const told: number[] = [];
  /** The depth that each depth has in what is told. */
  const depths: number[] = [0];
  for (let at = 0; at < pairs.length; at += 2) {
    if (at > 0 && at % (2 * stepPairs) === 0) yield undefined;
    const depth = pairs[at]!;
    const message = pairs[at + 1]!;
    const sequence = view.sequenceOf(message);
    const number = message === 0 ? 0 : sequence === 0 ? -1 : uid ? message : sequence;
    const place = depths[depth]!;
    depths[depth + 1] = number === -1 ? place : place + 1;
    if (number === -1) continue;
    dropEmpty(told, place);
    told.push(place, number);
  }
  dropEmpty(told, 0);
  return told;
}

/** A parent that is not there stands for its children: without any it is nothing. */
function dropEmpty(told: number[], nextDepth: number): void {
  const last = told.length - 2;
  if (last >= 0 && told[last + 1] === 0 && nextDepth <= told[last]!) told.length = last;
}
