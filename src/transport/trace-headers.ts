// The Received field (RFC 5321 4.4). Everything in it that came from a client was limited to harmless characters by its parser.

/** Who handed us a message, and how. */
export interface MessageOrigin {
  /** What the client called itself; undefined when it never said. */
  readonly hello: string | undefined;
  readonly remoteAddress: string;
  /** RFC 3848, RFC 6531: "ESMTPSA", "LMTP", "UTF8SMTP". */
  readonly protocol: string;
  /** "TLSv1.3 TLS_AES_256_GCM_SHA384"; undefined in the clear. */
  readonly tls: string | undefined;
}

function literal(address: string): string {
  return address.includes(':') ? `[IPv6:${address}]` : `[${address}]`;
}

export interface ReceivedField {
  readonly origin: MessageOrigin;
  readonly hostname: string;
  readonly traceId: string;
  /** Only when the message has one recipient: others are nobody's business. */
  readonly recipient: string | undefined;
  readonly date: string;
}

/** The Received field, folded, with its CRLF. */
export function formatReceived({ origin, hostname, traceId, recipient, date }: ReceivedField): string {
  const from = `from ${origin.hello ?? 'unknown'} (${literal(origin.remoteAddress)})`;
  const tls = origin.tls === undefined ? '' : ` (${origin.tls})`;
  const by = `by ${hostname} (Rookery) with ${origin.protocol}${tls} id ${traceId}`;
  const recipientClause = recipient === undefined ? '' : `\r\n\tfor <${recipient}>`;
  return `Received: ${from}\r\n\t${by}${recipientClause};\r\n\t${date}\r\n`;
}
