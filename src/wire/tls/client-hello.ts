// What a client's first flight says of the records that will follow (RFC 8446 4.1.2). Pure. Invariant: 'tls13' is said only of
// a whole ClientHello after which no side may ask for records of another shape than RFC 8446 5's; whatever is not understood
// is 'other', and OpenSSL judges it.

const recordHeaderBytes = 5;
const handshakeRecord = 22;
const clientHelloMessage = 1;
const messageHeaderBytes = 4;
const randomBytes = 32;

const maxFragmentLength = 1;
const recordSizeLimit = 28;
/** RFC 8449 4: what a record has anyway, as GnuTLS and others say in every hello. */
const recordSizeMax = 16 * 1024 + 1;
const supportedVersions = 43;
const tls13 = 0x0304;

/** Real ones have two kilobytes with keys for the time after quantum computers; what is longer is OpenSSL's to judge. */
const bytesMax = 32 * 1024;

/** Incomplete: more must come before it can be said. */
export type ClientHelloKind = 'incomplete' | 'tls13' | 'other';

export function clientHelloKind(bytes: Buffer): ClientHelloKind {
  const message = firstMessage(bytes);
  if (message === 'incomplete') return bytes.length < bytesMax ? 'incomplete' : 'other';
  return message !== 'other' && offersTls13(message) ? 'tls13' : 'other';
}

/** The body of the ClientHello, which may come in several records. */
function firstMessage(bytes: Buffer): Buffer | 'incomplete' | 'other' {
  if (bytes.length > 0 && bytes[0] !== handshakeRecord) return 'other';
  const pieces: Buffer[] = [];
  let length = 0;
  for (let at = 0; at + recordHeaderBytes <= bytes.length; ) {
    if (bytes[at] !== handshakeRecord || bytes[at + 1] !== 3) return 'other';
    const end = at + recordHeaderBytes + bytes.readUInt16BE(at + 3);
    const piece = bytes.subarray(at + recordHeaderBytes, end);
    if (piece.length === 0 && end <= bytes.length) return 'other';
    pieces.push(piece);
    length += piece.length;
    at = end;
  }
  if (length < messageHeaderBytes) return 'incomplete';
  const message = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  if (message[0] !== clientHelloMessage) return 'other';
  const end = messageHeaderBytes + message.readUIntBE(1, 3);
  return message.length < end ? 'incomplete' : message.subarray(messageHeaderBytes, end);
}

function offersTls13(hello: Buffer): boolean {
  try {
    let at = 2 + randomBytes;
    at += 1 + hello.readUInt8(at); // the session's id
    at += 2 + hello.readUInt16BE(at); // cipher suites
    at += 1 + hello.readUInt8(at); // compression
    const end = at + 2 + hello.readUInt16BE(at);
    if (end !== hello.length) return false;
    let offered = false;
    for (at += 2; at < end; ) {
      const type = hello.readUInt16BE(at);
      const dataEnd = at + 4 + hello.readUInt16BE(at + 2);
      if (dataEnd > end) return false;
      if (type === maxFragmentLength) return false;
      if (type === recordSizeLimit && !(dataEnd === at + 6 && hello.readUInt16BE(at + 4) >= recordSizeMax))
        return false;
      if (type === supportedVersions) offered = hasVersion(hello.subarray(at + 4, dataEnd), tls13);
      at = dataEnd;
    }
    return offered;
  } catch (error) {
    // It ends before what it announces.
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** RFC 8446 4.2.1: a length, then versions of two bytes. */
function hasVersion(versions: Buffer, wanted: number): boolean {
  for (let at = 1; at + 2 <= versions.length; at += 2) if (versions.readUInt16BE(at) === wanted) return true;
  return false;
}
