// Strict base64 (RFC 4648 section 4) for SASL on the wire: Buffer alone would skip over what is no base64.

/** Undefined unless the text is whole quartets, padded, of the alphabet; '' is empty. */
export function parseBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}
