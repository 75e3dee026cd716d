// The client's side of SCRAM-SHA-256 and -PLUS for tests (RFC 5802 section 5).

import { createHmac, hash, pbkdf2Sync } from 'node:crypto';

interface First {
  readonly message: string;
  readonly bare: string;
  /** What the final message says of the channel: RFC 5802 section 7 cbind-input. */
  readonly binding: Buffer;
}

/** `exported`: of the TLS session that -PLUS is bound to (RFC 9266). */
export function scramFirst(user: string, exported?: Buffer): First {
  const bare = `n=${user},r=rOprNGfwEbeRWgbNEkqO`;
  const header = exported === undefined ? 'n,,' : 'p=tls-exporter,,';
  const binding = Buffer.concat([Buffer.from(header), exported ?? Buffer.alloc(0)]);
  return { message: header + bare, bare, binding };
}

/** The final message, and the signature the server has to show. */
export function scramFinal(
  { bare, binding }: First,
  serverFirst: string,
  password: string,
): { readonly message: string; readonly serverFinal: string } {
  const [, nonce, salt, iterations] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst)!;
  const salted = pbkdf2Sync(password, Buffer.from(salt!, 'base64'), Number(iterations), 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const withoutProof = `c=${binding.toString('base64')},r=${nonce}`;
  const authMessage = `${bare},${serverFirst},${withoutProof}`;
  const signature = hmac(hash('sha256', clientKey, 'buffer'), authMessage);
  const proof = Buffer.from(clientKey.map((byte, index) => byte ^ signature[index]!));
  const serverSignature = hmac(hmac(salted, 'Server Key'), authMessage);
  return {
    message: `${withoutProof},p=${proof.toString('base64')}`,
    serverFinal: `v=${serverSignature.toString('base64')}`,
  };
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
