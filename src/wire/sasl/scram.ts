// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677; channel bindings of RFC 5929 and 9266), the server's side.
// Invariants: unknown users and wrong proofs take the same way and end alike (the authenticator invents a verifier);
// every proof that is sent, right or wrong, is told by one `finishScram`, so failures are counted; a client that says
// 'y' (it thinks we cannot bind) while we offered -PLUS was tampered with and is refused (RFC 5802 section 6).

import { createHmac, hash as hashOnce, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { saslPrep } from './prepare.ts';
import {
  type ChannelBindingType,
  channelBindingTypes,
  decodeSaslText,
  type SaslDependencies,
  type SaslScramProof,
  type SaslScramVerifier,
  type SaslServer,
  type SaslStep,
  saslFailure,
  saslMessageBytesMax,
  saslRefusal,
} from './sasl.ts';
import {
  parseScramClientFinal,
  parseScramClientFirst,
  type ScramClientFinal,
  type ScramClientFirst,
} from './scram-messages.ts';

/** 144 bits: longer than any guess, and no padding in base64. */
const nonceBytes = 18;
const digestBytes = 32;

const pbkdf2Async = promisify(pbkdf2);

/**
 * The verifier of a password (RFC 5802 section 3); `password` is SASLprep'd already. Runs on the thread pool.
 * SaltedPassword := Hi(password, salt, i)
 */
export async function makeScramVerifier(
  password: string,
  salt: Uint8Array,
  iterations: number,
): Promise<SaslScramVerifier> {
  const salted = await pbkdf2Async(password, salt, iterations, digestBytes, 'sha256');
  const storedKey = sha256(hmac(salted, 'Client Key'));
  return { salt, iterations, storedKey, serverKey: hmac(salted, 'Server Key') };
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256(bytes: Uint8Array): Buffer {
  return hashOnce('sha256', bytes, 'buffer');
}

type Challenge = { readonly type: 'challenge'; readonly bytes: Uint8Array };

/** What is known after the client's first message. */
interface Exchange {
  readonly first: ScramClientFirst;
  readonly user: string;
  readonly verifier: SaslScramVerifier;
  readonly nonce: string;
  /** Our part of it. */
  readonly ours: string;
  readonly serverFirst: string;
  /** What the client's `c=` must hold. */
  readonly binding: Buffer;
}

type State<Principal> =
  | { readonly name: 'start' | 'asked' | 'spent' }
  | { readonly name: 'challenged'; readonly exchange: Exchange }
  | { readonly name: 'proven'; readonly principal: Principal };

export function startScram<Context, Principal>(
  dependencies: SaslDependencies<Context, Principal>,
  mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS',
): SaslServer<Principal> {
  return new ScramServer(dependencies, mechanism);
}

class ScramServer<Context, Principal> implements SaslServer<Principal> {
  readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS';
  readonly #dependencies: SaslDependencies<Context, Principal>;
  #state: State<Principal> = { name: 'start' };

  constructor(
    dependencies: SaslDependencies<Context, Principal>,
    mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS',
  ) {
    this.#dependencies = dependencies;
    this.mechanism = mechanism;
  }

  async step(input: Uint8Array | undefined): Promise<SaslStep<Principal>> {
    const state = this.#state;
    if (state.name === 'start' && input === undefined) {
      this.#state = { name: 'asked' };
      return { type: 'challenge', bytes: new Uint8Array(0) };
    }
    this.#state = { name: 'spent' };
    if (input === undefined || input.length > saslMessageBytesMax || state.name === 'spent') {
      return saslFailure('invalidArgument', 'not a SCRAM message');
    }
    if (state.name === 'proven') {
      // Our v= went out as a challenge; the client acknowledges it with nothing (RFC 4422 section 3.6).
      if (input.length > 0) return saslFailure('invalidArgument', 'unexpected SCRAM message');
      return { type: 'success', principal: state.principal };
    }
    const text = decodeSaslText(input);
    if (text === undefined) return saslFailure('invalidArgument', 'SCRAM message is not UTF-8');
    try {
      if (state.name === 'challenged') return await this.#finish(state.exchange, text);
      return await this.#begin(text);
    } catch (error) {
      return saslRefusal(error);
    }
  }

  async #begin(text: string): Promise<SaslStep<Principal>> {
    const first = parseScramClientFirst(text);
    if (first === undefined) return saslFailure('invalidArgument', 'malformed SCRAM client-first-message');
    const binding = this.#expectedBinding(first);
    if (binding === undefined) return saslFailure('authenticationFailed', 'channel binding refused');
    const user = saslPrep(first.user);
    if (user === undefined) return saslFailure('authenticationFailed', 'user name is not allowed');
    const { authenticator, context, random } = this.#dependencies;
    const verifier = await authenticator.scramVerifier(user, context);
    const ours = verifier.nonce ?? random.bytes(nonceBytes).toString('base64');
    const nonce = first.nonce + ours;
    const serverFirst = formatServerFirst(nonce, verifier);
    this.#state = {
      name: 'challenged',
      exchange: { first, user, verifier, nonce, ours, serverFirst, binding },
    };
    return challenge(serverFirst);
  }

  /** The bytes the client must repeat in `c=`; undefined when its flag and the mechanism do not go together. */
  #expectedBinding(first: ScramClientFirst): Buffer | undefined {
    const { tls, offered } = this.#dependencies;
    const header = Buffer.from(first.gs2Header);
    if (this.mechanism === 'SCRAM-SHA-256') {
      const downgraded = first.bindingFlag === 'y' && offered.includes('SCRAM-SHA-256-PLUS');
      return first.bindingFlag === 'p' || downgraded ? undefined : header;
    }
    const type = channelBindingTypes.find(
      (known): known is ChannelBindingType => known === first.bindingName,
    );
    if (first.bindingFlag !== 'p' || type === undefined) return undefined;
    const bytes = tls?.channelBinding(type);
    return bytes === undefined ? undefined : Buffer.concat([header, bytes]);
  }

  async #finish(exchange: Exchange, text: string): Promise<SaslStep<Principal>> {
    const { dataWithSuccess } = this.#dependencies;
    const proven = await this.#prove(exchange, readFinal(exchange, text));
    if (proven === undefined) return saslFailure('authenticationFailed', 'SCRAM proof does not match');
    const { principal, signature } = proven;
    const serverFinal = challenge(`v=${Buffer.from(signature).toString('base64')}`);
    if (dataWithSuccess === true) return { type: 'success', principal, finalBytes: serverFinal.bytes };
    this.#state = { name: 'proven', principal };
    return serverFinal;
  }

  /** `final` undefined: there is something wrong with it that needs no key to see. */
  async #prove(exchange: Exchange, final: ScramClientFinal | undefined) {
    const { authenticator, context } = this.#dependencies;
    const { user, first, verifier, serverFirst, ours } = exchange;
    const { authorizationId } = first;
    if (final !== undefined && authenticator.proveScram !== undefined) {
      const { withoutProof, proof } = final;
      const said = { user, authorizationId, clientFirst: first.bare, clientNonce: first.nonce, nonce: ours };
      return authenticator.proveScram({ ...said, withoutProof, proof }, context);
    }
    const message = `${first.bare},${serverFirst},${final?.withoutProof}`;
    const signature = final && serverSignature(verifier, message, final.proof);
    const { storedKey } = verifier;
    const outcome = { user, authorizationId, verified: signature !== undefined, storedKey };
    const principal = await authenticator.finishScram(outcome, context);
    return signature && { principal, signature };
  }
}

function challenge(text: string): Challenge {
  return { type: 'challenge', bytes: Buffer.from(text) };
}

/** The client's last message when its nonce and channel binding are right. */
function readFinal(exchange: Exchange, text: string): ScramClientFinal | undefined {
  const final = parseScramClientFinal(text);
  if (final === undefined || final.nonce !== exchange.nonce) return undefined;
  const bound =
    final.binding.length === exchange.binding.length && timingSafeEqual(final.binding, exchange.binding);
  return bound ? final : undefined;
}

function formatServerFirst(nonce: string, { salt, iterations }: SaslScramVerifier): string {
  return `r=${nonce},s=${Buffer.from(salt).toString('base64')},i=${iterations}`;
}

/** For whoever has the verifier while another one speaks to the client: see serverSignature. */
export function checkScramProof(
  verifier: SaslScramVerifier,
  { clientFirst, clientNonce, nonce, withoutProof, proof }: SaslScramProof,
): Uint8Array | undefined {
  const serverFirst = formatServerFirst(clientNonce + nonce, verifier);
  return serverSignature(verifier, `${clientFirst},${serverFirst},${withoutProof}`, proof);
}

/** The ServerSignature when the client's proof holds (RFC 5802 section 3), undefined when it does not. */
function serverSignature(
  { storedKey, serverKey }: SaslScramVerifier,
  authMessage: string,
  proof: Uint8Array,
): Buffer | undefined {
  if (proof.length !== digestBytes) return undefined;
  const clientKey = hmac(storedKey, authMessage);
  for (let index = 0; index < digestBytes; index++) clientKey[index] = clientKey[index]! ^ proof[index]!;
  return timingSafeEqual(sha256(clientKey), storedKey) ? hmac(serverKey, authMessage) : undefined;
}
