// The client's side of SCRAM-SHA-256 for tests (RFC 5802 section 5), without channel binding.

import { createHmac, hash, pbkdf2Sync } from 'node:crypto';

export function scramFirst(user: string): { readonly message: string; readonly bare: string } {
  const bare = `n=${user},r=rOprNGfwEbeRWgbNEkqO`;
  return { message: `n,,${bare}`, bare };
}

/** The final message, and the signature the server has to show. */
export function scramFinal(
  bare: string,
  serverFirst: string,
  password: string,
): { readonly message: string; readonly serverFinal: string } {
  const [, nonce, salt, iterations] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst)!;
  const salted = pbkdf2Sync(password, Buffer.from(salt!, 'base64'), Number(iterations), 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const withoutProof = `c=biws,r=${nonce}`;
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
