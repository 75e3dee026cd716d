// The table of mechanisms. A speaker offers `saslMechanisms(...)` and begins an exchange here.

import { startExternal } from './external.ts';
import { startLogin, startPlain } from './password-mechanisms.ts';
import { type SaslDependencies, type SaslMechanism, type SaslServer, saslMechanismNames } from './sasl.ts';
import { startScram } from './scram.ts';

/** Begins an exchange; undefined when `name` (any letter case) is not among the mechanisms that were offered. */
export function startSasl<Context, Principal>(
  name: string,
  dependencies: SaslDependencies<Context, Principal>,
): SaslServer<Principal> | undefined {
  const mechanism = saslMechanismNames.find((known) => known === name.toUpperCase());
  if (mechanism === undefined || !dependencies.offered.includes(mechanism)) return undefined;
  return start(mechanism, dependencies);
}

function start<Context, Principal>(
  mechanism: SaslMechanism,
  dependencies: SaslDependencies<Context, Principal>,
): SaslServer<Principal> {
  switch (mechanism) {
    case 'EXTERNAL':
      return startExternal(dependencies);
    case 'PLAIN':
      return startPlain(dependencies);
    case 'LOGIN':
      return startLogin(dependencies);
    case 'SCRAM-SHA-256':
    case 'SCRAM-SHA-256-PLUS':
      return startScram(dependencies, mechanism);
  }
}
