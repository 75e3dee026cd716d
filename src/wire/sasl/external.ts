// EXTERNAL (RFC 4422 appendix A): who the client is, TLS has proved by its certificate; the message is the authorization
// identity, perhaps empty.

import { oneMessageServer } from './one-message.ts';
import { comparedString } from './prepare.ts';
import { type SaslDependencies, type SaslServer, type SaslStep, saslFailure, saslRefusal } from './sasl.ts';

export function startExternal<Context, Principal>(
  dependencies: SaslDependencies<Context, Principal>,
): SaslServer<Principal> {
  return oneMessageServer('EXTERNAL', (text) =>
    text.includes('\0') ? undefined : verify(dependencies, text),
  );
}

async function verify<Context, Principal>(
  { authenticator, tls, context }: SaslDependencies<Context, Principal>,
  text: string,
): Promise<SaslStep<Principal>> {
  const authorizationId = text === '' ? '' : comparedString(text);
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
