// SASL on the server's side (RFC 4422): what a speaker sees of a mechanism. A mechanism is a state machine that is
// stepped with what the client sent and answers with a challenge, a success or a failure; bytes in, bytes out, the
// speaker wraps them in its protocol's base64 lines (base64-line.ts).
// Invariant: `success` is answered once, only after the authenticator confirmed the identity; after success or
// failure the machine is spent and further steps fail. Refusals of the authenticator become `failure`; its faults
// (storage away) are thrown through, so that a speaker answers "try again", not "wrong password".

import type { Random } from '../../base/random.ts';
import { isMailError, MailError } from '../../mail/mail-error.ts';

/** Decoded client messages beyond this are refused: the longest sensible one is a SCRAM message with a channel binding. */
export const saslMessageBytesMax = 4096;
/** The base64 line that holds such a message, with its CRLF: what speakers allow for a response line. */
export const saslLineBytesMax = Math.ceil(saslMessageBytesMax / 3) * 4 + 2;

export const channelBindingTypes = ['tls-exporter', 'tls-server-end-point', 'tls-unique'] as const;
export type ChannelBindingType = (typeof channelBindingTypes)[number];

/** The TLS session as SCRAM -PLUS and EXTERNAL see it; a connection's TlsInfo is one. */
export interface ChannelBindingSource {
  /** Whom the client's verified certificate names; none without one. */
  readonly clientNames?: readonly string[];
  channelBinding(type: ChannelBindingType): Uint8Array | undefined;
}

/** What SCRAM needs to know of a user's password (RFC 5802 section 3). */
export interface SaslScramVerifier {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
  /** The server's part of the nonce, where it is chosen by whoever checks the proof elsewhere (proveScram). */
  readonly nonce?: string;
}

/** What a client sent to prove that it knows the password (RFC 5802 section 3), its channel binding checked. */
export interface SaslScramProof {
  readonly user: string;
  readonly authorizationId: string;
  /** client-first-message-bare */
  readonly clientFirst: string;
  readonly clientNonce: string;
  /** The server's part. */
  readonly nonce: string;
  /** client-final-message-without-proof */
  readonly withoutProof: string;
  readonly proof: Uint8Array;
}

/** How an exchange ended. */
export interface SaslScramOutcome {
  readonly user: string;
  readonly authorizationId: string;
  readonly verified: boolean;
  /** Of the verifier that the proof was checked with: the password may have been changed while the exchange went on. */
  readonly storedKey?: Uint8Array;
}

/** Who checks secrets; the directory's Authenticator is one. `Context` and `Principal` pass through untouched. */
export interface SaslAuthenticator<Context, Principal> {
  verifyPassword(
    credentials: { readonly user: string; readonly password: string; readonly authorizationId: string },
    context: Context,
  ): Promise<Principal>;
  scramVerifier(user: string, context: Context): Promise<SaslScramVerifier>;
  finishScram(outcome: SaslScramOutcome, context: Context): Promise<Principal>;
  /**
   * For a client whose certificate was verified: the account that one of its names leads to. Undefined where nobody logs in so;
   * refuses as verifyPassword does.
   */
  verifyCertificate?(
    identity: { readonly names: readonly string[]; readonly authorizationId: string },
    context: Context,
  ): Promise<Principal>;
  /**
   * Where the keys of verifiers are kept from us: checks the proof there, in place of finishScram with `verified`. Gives the
   * server's signature; refuses with authenticationFailed.
   */
  proveScram?(
    proof: SaslScramProof,
    context: Context,
  ): Promise<{ readonly principal: Principal; readonly signature: Uint8Array }>;
}

export type SaslStep<Principal> =
  /** Send these (perhaps no) bytes and step again with the client's answer. */
  | { readonly type: 'challenge'; readonly bytes: Uint8Array }
  /** `finalBytes` only when the machine was started with `dataWithSuccess`. */
  | { readonly type: 'success'; readonly principal: Principal; readonly finalBytes?: Uint8Array }
  /** authenticationFailed, limitReached (throttled), or invalidArgument (not what the mechanism's grammar allows). */
  | { readonly type: 'failure'; readonly reason: MailError };

export interface SaslServer<Principal> {
  readonly mechanism: SaslMechanism;
  /** `input`: the decoded bytes the client sent; undefined only in the first step: no initial response came. */
  step(input: Uint8Array | undefined): Promise<SaslStep<Principal>>;
}

export interface SaslDependencies<Context, Principal> {
  readonly authenticator: SaslAuthenticator<Context, Principal>;
  readonly context: Context;
  /** Undefined: in the clear. */
  readonly tls: ChannelBindingSource | undefined;
  /** What was offered to this client; SCRAM finds a downgrade by it. */
  readonly offered: readonly SaslMechanism[];
  readonly random: Random;
  /** The protocol can carry data with its success reply (ManageSieve can; SMTP, IMAP and POP3 cannot). */
  readonly dataWithSuccess?: boolean;
}

/** Strongest first: there are clients that take the first they know. */
export const saslMechanismNames = [
  'EXTERNAL',
  'SCRAM-SHA-256-PLUS',
  'SCRAM-SHA-256',
  'PLAIN',
  'LOGIN',
] as const;
export type SaslMechanism = (typeof saslMechanismNames)[number];

/**
 * What to offer on a connection. In the clear nothing, unless `allowCleartext` (loopback, TLS ended before us):
 * even SCRAM would give an eavesdropper something to try passwords on.
 */
export function saslMechanisms(options: {
  readonly tls: ChannelBindingSource | undefined;
  readonly allowCleartext: boolean;
}): readonly SaslMechanism[] {
  if (options.tls === undefined) return options.allowCleartext ? withoutBinding : none;
  // RFC 9266: tls-exporter is the binding every TLS 1.3 client has; without any, -PLUS cannot be done.
  const { tls } = options;
  const bindable = channelBindingTypes.some((type) => tls.channelBinding(type) !== undefined);
  const withSecrets = bindable ? withBinding : withoutBinding;
  return tls.clientNames === undefined || tls.clientNames.length === 0
    ? withSecrets
    : ['EXTERNAL', ...withSecrets];
}

const none: readonly SaslMechanism[] = [];
const withBinding: readonly SaslMechanism[] = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'PLAIN', 'LOGIN'];
const withoutBinding: readonly SaslMechanism[] = ['SCRAM-SHA-256', 'PLAIN', 'LOGIN'];

export function saslFailure(kind: 'authenticationFailed' | 'invalidArgument', message: string) {
  return { type: 'failure', reason: new MailError(kind, message) } as const;
}

/** Turns a refusal of the authenticator into a failed step; rethrows anything else. */
export function saslRefusal(error: unknown): { readonly type: 'failure'; readonly reason: MailError } {
  if (isMailError(error)) return { type: 'failure', reason: error };
  throw error;
}

/** Strict UTF-8; undefined when it is not. */
export function decodeSaslText(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    // TextDecoder tells of bad UTF-8 only by throwing.
    return undefined;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
