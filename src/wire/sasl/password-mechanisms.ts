// PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login, never a standard, still what many mail programs use).
// Both hand the password to the authenticator; nothing of it is kept after the step that got it.

import { oneMessageServer } from './one-message.ts';
import { comparedString } from './prepare.ts';
import {
  decodeSaslText,
  type SaslDependencies,
  type SaslServer,
  type SaslStep,
  saslFailure,
  saslMessageBytesMax,
  saslRefusal,
} from './sasl.ts';

/** Asks the authenticator; a string that may not be a user or password is a wrong one. */
async function verify<Context, Principal>(
  dependencies: SaslDependencies<Context, Principal>,
  typed: { readonly user: string; readonly password: string; readonly authorizationId: string },
): Promise<SaslStep<Principal>> {
  const user = comparedString(typed.user);
  const password = comparedString(typed.password);
  const authorizationId = typed.authorizationId === '' ? '' : comparedString(typed.authorizationId);
  if (user === undefined || password === undefined || authorizationId === undefined) {
    return saslFailure('authenticationFailed', 'user or password has characters that are not allowed');
  }
  try {
    const credentials = { user, password, authorizationId };
    const principal = await dependencies.authenticator.verifyPassword(credentials, dependencies.context);
    return { type: 'success', principal };
  } catch (error) {
    return saslRefusal(error);
  }
}

/** message = [authzid] NUL authcid NUL passwd */
export function startPlain<Context, Principal>(
  dependencies: SaslDependencies<Context, Principal>,
): SaslServer<Principal> {
  return oneMessageServer('PLAIN', (text) => {
    const parts = text.split('\0');
    if (parts.length !== 3 || parts[1] === '' || parts[2] === '') return undefined;
    return verify(dependencies, { authorizationId: parts[0]!, user: parts[1]!, password: parts[2]! });
  });
}

const askUser = Buffer.from('Username:');
const askPassword = Buffer.from('Password:');

/** The prompts are these words exactly: there are clients that compare them. */
export function startLogin<Context, Principal>(
  dependencies: SaslDependencies<Context, Principal>,
): SaslServer<Principal> {
  let state: 'start' | 'user' | 'password' | 'spent' = 'start';
  let user = '';
  const step = async (input: Uint8Array | undefined): Promise<SaslStep<Principal>> => {
    if (input === undefined && state === 'start') {
      state = 'user';
      return { type: 'challenge', bytes: askUser };
    }
    const text =
      input === undefined || input.length > saslMessageBytesMax ? undefined : decodeSaslText(input);
    if (text === undefined || text === '' || text.includes('\0') || state === 'spent') {
      state = 'spent';
      return saslFailure('invalidArgument', 'not a LOGIN message');
    }
    if (state !== 'password') {
      user = text;
      state = 'password';
      return { type: 'challenge', bytes: askPassword };
    }
    state = 'spent';
    return verify(dependencies, { authorizationId: '', user, password: text });
  };
  return { mechanism: 'LOGIN', step };
}
