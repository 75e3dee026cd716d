// The PROXY protocol header, versions 1 and 2 (HAProxy's specification of 2020-03-05): what a trusted balancer says
// about who really connected. Pure: bytes in, verdict out. A header that is not exactly right is invalid; the caller
// cuts the connection, because guessing would let a client choose its own address.

import { isIP } from 'node:net';

export interface ProxiedEndpoints {
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
}

export type ProxyHeader =
  | { readonly outcome: 'incomplete' }
  | { readonly outcome: 'invalid'; readonly reason: string }
  /** `endpoints` undefined: the proxy speaks for itself (LOCAL, UNKNOWN), the socket's own addresses hold. */
  | { readonly outcome: 'header'; readonly length: number; readonly endpoints: ProxiedEndpoints | undefined };

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const fixedBytes = 16;
/** Section 2.1: the longest version 1 line, with its CRLF. */
const lineBytesMax = 107;
/** Addresses and TLVs of version 2; real ones (with certificates' names) stay far below. */
const variableBytesMax = 4096;
/** What a listener needs to buffer at the most before the verdict. */
export const proxyHeaderBytesMax = fixedBytes + variableBytesMax;

const incomplete: ProxyHeader = { outcome: 'incomplete' };
const invalid = (reason: string): ProxyHeader => ({ outcome: 'invalid', reason });

/** Reads the header at the start of `bytes`; `incomplete` when more of it may come. */
export function parseProxyHeader(bytes: Uint8Array): ProxyHeader {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (buffer.length === 0) return incomplete;
  if (buffer[0] === signature[0]) return parseBinary(buffer);
  const expected = 'PROXY ';
  const start = buffer.toString('latin1', 0, Math.min(buffer.length, expected.length));
  if (!expected.startsWith(start)) return invalid('no PROXY header');
  return parseLine(buffer);
}

function parsePort(text: string): number | undefined {
  if (!/^(?:0|[1-9][0-9]{0,4})$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65535 ? port : undefined;
}

function parseLine(buffer: Buffer): ProxyHeader {
  const end = buffer.subarray(0, lineBytesMax).indexOf('\r\n');
  if (end < 0) return buffer.length >= lineBytesMax ? invalid('line too long') : incomplete;
  const length = end + 2;
  const words = buffer.toString('latin1', 0, end).split(' ');
  const [, family, sourceAddress = '', destinationAddress = '', sourcePort = '', destinationPort = ''] =
    words;
  if (family === 'UNKNOWN') return { outcome: 'header', length, endpoints: undefined };
  if (words.length !== 6 || (family !== 'TCP4' && family !== 'TCP6'))
    return invalid('bad family or word count');
  const version = family === 'TCP4' ? 4 : 6;
  if (isIP(sourceAddress) !== version || isIP(destinationAddress) !== version) return invalid('bad address');
  const source = parsePort(sourcePort);
  const destination = parsePort(destinationPort);
  if (source === undefined || destination === undefined) return invalid('bad port');
  const endpoints = { sourceAddress, sourcePort: source, destinationAddress, destinationPort: destination };
  return { outcome: 'header', length, endpoints };
}

function formatAddress6(bytes: Buffer): string {
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(bytes.readUInt16BE(at).toString(16));
  return groups.join(':').replace(/(?:^|:)0(?::0)+(?::|$)/, '::');
}

function parseBinary(buffer: Buffer): ProxyHeader {
  const seen = Math.min(buffer.length, signature.length);
  if (!buffer.subarray(0, seen).equals(signature.subarray(0, seen))) return invalid('bad signature');
  if (buffer.length < fixedBytes) return incomplete;
  const versionAndCommand = buffer[12]!;
  const family = buffer[13]!;
  const variableBytes = buffer.readUInt16BE(14);
  if (versionAndCommand >> 4 !== 2 || (versionAndCommand & 15) > 1) return invalid('bad version or command');
  if (variableBytes > variableBytesMax) return invalid('header too long');
  const length = fixedBytes + variableBytes;
  if (buffer.length < length) return incomplete;
  const local = (versionAndCommand & 15) === 0;
  if (local) return { outcome: 'header', length, endpoints: undefined };
  const addresses = buffer.subarray(fixedBytes, length);
  // 0x11: TCP over IPv4, 0x21: TCP over IPv6. Others (UNSPEC, UNIX, UDP) say nothing we can use (section 2.2).
  if (family === 0x11) {
    if (addresses.length < 12) return invalid('addresses cut short');
    const endpoints = {
      sourceAddress: addresses.subarray(0, 4).join('.'),
      destinationAddress: addresses.subarray(4, 8).join('.'),
      sourcePort: addresses.readUInt16BE(8),
      destinationPort: addresses.readUInt16BE(10),
    };
    return { outcome: 'header', length, endpoints };
  }
  if (family === 0x21) {
    if (addresses.length < 36) return invalid('addresses cut short');
    const endpoints = {
      sourceAddress: formatAddress6(addresses.subarray(0, 16)),
      destinationAddress: formatAddress6(addresses.subarray(16, 32)),
      sourcePort: addresses.readUInt16BE(32),
      destinationPort: addresses.readUInt16BE(34),
    };
    return { outcome: 'header', length, endpoints };
  }
  return { outcome: 'header', length, endpoints: undefined };
}
