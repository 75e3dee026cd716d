// The grammar of SCRAM messages (RFC 5802 section 7). Pure text; undefined means the message breaks the grammar.

import { decodeStrictBase64 } from './base64-line.ts';

export interface ScramClientFirst {
  /** As it came, with its last comma: the client repeats it in its final message. */
  readonly gs2Header: string;
  /** 'n': the client has no binding; 'y': it has, but thinks we have not; 'p': it binds by `bindingName`. */
  readonly bindingFlag: 'n' | 'y' | 'p';
  readonly bindingName: string;
  readonly authorizationId: string;
  readonly user: string;
  readonly nonce: string;
  readonly bare: string;
}

export interface ScramClientFinal {
  /** What `c=` held: the gs2 header and, for -PLUS, the binding's bytes. */
  readonly binding: Buffer;
  readonly nonce: string;
  readonly proof: Buffer;
  readonly withoutProof: string;
}

const firstMessage =
  /^((?:(n|y)|p=([A-Za-z0-9.-]+)),(?:a=([^,\0]+))?,)(n=([^,\0]+),r=([!-+\--~]+)(?:,[A-Za-z]=[^,\0]+)*)$/s;
/** RFC 5802 5.1: a mandatory extension ("m=") we do not know, and we know none, ends the exchange: it does not match. */
const finalMessage =
  /^(c=([A-Za-z0-9+/=]+),r=([!-+\--~]+)(?:,[A-Za-ln-oq-z]=[^,\0]+)*),p=([A-Za-z0-9+/=]+)$/s;

/** gs2-header client-first-message-bare */
export function parseScramClientFirst(text: string): ScramClientFirst | undefined {
  const match = firstMessage.exec(text);
  if (match === null) return undefined;
  const user = decodeSaslName(match[6]!);
  const authorizationId = match[4] === undefined ? '' : decodeSaslName(match[4]);
  if (user === undefined || authorizationId === undefined) return undefined;
  return {
    gs2Header: match[1]!,
    bindingFlag: match[3] === undefined ? (match[2] as 'n' | 'y') : 'p',
    bindingName: match[3] ?? '',
    authorizationId,
    user,
    nonce: match[7]!,
    bare: match[5]!,
  };
}

/** client-final-message */
export function parseScramClientFinal(text: string): ScramClientFinal | undefined {
  const match = finalMessage.exec(text);
  if (match === null) return undefined;
  const binding = decodeStrictBase64(match[2]!);
  const proof = decodeStrictBase64(match[4]!);
  if (binding === undefined || proof === undefined) return undefined;
  return { binding, nonce: match[3]!, proof, withoutProof: match[1]! };
}

/** saslname: ',' is written =2C and '=' is written =3D; any other '=' is an error (RFC 5802 5.1). */
function decodeSaslName(text: string): string | undefined {
  if (!text.includes('=')) return text;
  if (/=(?!2C|3D)/.test(text)) return undefined;
  return text.replaceAll('=2C', ',').replaceAll('=3D', '=');
}
