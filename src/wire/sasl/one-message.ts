// Mechanisms of one message, which comes with the command or behind an empty challenge (RFC 4422 section 3): PLAIN, EXTERNAL.

import { decodeSaslText, type SaslServer, type SaslStep, saslFailure, saslMessageBytesMax } from './sasl.ts';

/** `take`: the message as text; undefined when it is not one of the mechanism. Called once at the most. */
export function oneMessageServer<Principal>(
  mechanism: 'PLAIN' | 'EXTERNAL',
  take: (text: string) => Promise<SaslStep<Principal>> | undefined,
): SaslServer<Principal> {
  let state: 'start' | 'asked' | 'spent' = 'start';
  const step = async (input: Uint8Array | undefined): Promise<SaslStep<Principal>> => {
    if (input === undefined && state === 'start') {
      state = 'asked';
      return { type: 'challenge', bytes: new Uint8Array(0) };
    }
    const isMessage = input !== undefined && state !== 'spent' && input.length <= saslMessageBytesMax;
    state = 'spent';
    const text = isMessage ? decodeSaslText(input) : undefined;
    const taken = text === undefined ? undefined : take(text);
    return (
      taken ??
      saslFailure('invalidArgument', `not ${mechanism === 'PLAIN' ? 'a' : 'an'} ${mechanism} message`)
    );
  };
  return { mechanism, step };
}
