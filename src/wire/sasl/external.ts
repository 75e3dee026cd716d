// EXTERNAL (RFC 4422 appendix A): who the client is, TLS has proved by its certificate; the message is the authorization
// identity, perhaps empty.

import { opaqueString } from './prepare.ts';
import {
  decodeSaslText,
  type SaslDependencies,
  type SaslServer,
  type SaslStep,
  saslFailure,
  saslMessageBytesMax,
  saslRefusal,
} from './sasl.ts';

export function startExternal<Context, Principal>(
  dependencies: SaslDependencies<Context, Principal>,
): SaslServer<Principal> {
  let state: 'start' | 'asked' | 'spent' = 'start';
  const step = async (input: Uint8Array | undefined): Promise<SaslStep<Principal>> => {
    if (input === undefined && state === 'start') {
      state = 'asked';
      return { type: 'challenge', bytes: new Uint8Array(0) };
    }
    const before = state;
    state = 'spent';
    const text = input === undefined || before === 'spent' ? undefined : externalText(input);
    if (text === undefined) return saslFailure('invalidArgument', 'not an EXTERNAL message');
    return await verify(dependencies, text);
  };
  return { mechanism: 'EXTERNAL', step };
}

/** Undefined: not what the grammar allows. */
function externalText(input: Uint8Array): string | undefined {
  const text = input.length > saslMessageBytesMax ? undefined : decodeSaslText(input);
  return text?.includes('\0') === false ? text : undefined;
}

async function verify<Context, Principal>(
  { authenticator, tls, context }: SaslDependencies<Context, Principal>,
  text: string,
): Promise<SaslStep<Principal>> {
  const authorizationId = text === '' ? '' : opaqueString(text);
  const names = tls?.clientNames ?? [];
  if (authorizationId === undefined || names.length === 0 || authenticator.verifyCertificate === undefined)
    return saslFailure('authenticationFailed', 'no certificate that names this identity');
  try {
    const principal = await authenticator.verifyCertificate({ names, authorizationId }, context);
    return { type: 'success', principal };
  } catch (error) {
    return saslRefusal(error);
  }
}
