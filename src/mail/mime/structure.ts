// What a parse of a message gives: the tree of its parts with offsets, as IMAP's BODYSTRUCTURE and BODY[section]
// need it (RFC 9051 6.4.5, 7.5.2), and JMAP's bodyStructure. Plain data, no bytes of the message but the few header
// values that those answers repeat.
//
// Invariants: offsets are relative to the message's first byte; headerStart ≤ headerEnd = bodyStart ≤ bodyEnd;
// children lie inside their parent's body, in order, without overlap; a multipart has at least one child (a broken
// one gets a child that covers its whole body, so that its text stays readable).

import type { Envelope } from './envelope.ts';

/** Name in lower case, value as in the header: unquoted, unfolded, each character one byte (latin1). */
export type HeaderParameter = readonly [name: string, value: string];

export interface Disposition {
  /** Lower case. */
  readonly type: string;
  readonly parameters: readonly HeaderParameter[];
}

export interface NestedMessage {
  readonly envelope: Envelope;
  readonly root: MessagePart;
}

/** All strings are latin1: one character a byte of the header, unfolded and trimmed. */
export interface MessagePart {
  /**
   * The IMAP part number. The root of the message is '' when it is a multipart and '1' when it is not; the
   * root of the message nested in part 2 is '2' when it is a multipart and '2.1' when it is not.
   */
  readonly path: string;
  readonly headerStart: number;
  /** After the blank line that ends the header. The same as where the body starts. */
  readonly headerEnd: number;
  readonly bodyStart: number;
  /** Before the line break that belongs to the boundary after it. */
  readonly bodyEnd: number;
  /** Lines of the body, of text and of nested messages only (RFC 9051 body-fld-lines); else 0. */
  readonly lines: number;
  /** Lower case; `text` when the header gives none or nonsense. */
  readonly type: string;
  /** Lower case. */
  readonly subtype: string;
  /** As in the header; text without a charset gets `charset=us-ascii` (RFC 2045 5.2). */
  readonly parameters: readonly HeaderParameter[];
  readonly id: string | undefined;
  readonly description: string | undefined;
  /** Content-Transfer-Encoding, lower case; '7bit' when there is none. */
  readonly encoding: string;
  readonly md5: string | undefined;
  readonly disposition: Disposition | undefined;
  /** Content-Language split at its commas; empty when there is none. */
  readonly language: readonly string[];
  readonly location: string | undefined;
  /** Parts of a multipart; empty for everything else. */
  readonly children: readonly MessagePart[];
  /**
   * The message inside message/rfc822 or message/global. Undefined when that body is encoded (base64, quoted-printable)
   * or lies beyond a limit: then there is nothing to look into, and the part is a leaf like application/octet-stream.
   */
  readonly message: NestedMessage | undefined;
}

export interface MessageStructure {
  /** Bytes of the message. */
  readonly size: number;
  readonly root: MessagePart;
}

/** True for the types whose body is itself a message (RFC 2046 5.2.1, RFC 6532 3.7). */
export function isMessageType(type: string, subtype: string): boolean {
  return type === 'message' && (subtype === 'rfc822' || subtype === 'global');
}

/** Leaves of the tree in document order, those of nested messages included only with `intoMessages`. */
export function* leafParts(part: MessagePart, intoMessages: boolean): Generator<MessagePart> {
  const pending: MessagePart[] = [part];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next.children.length > 0) {
      for (let index = next.children.length - 1; index >= 0; index--) pending.push(next.children[index]!);
    } else if (next.message !== undefined && intoMessages) pending.push(next.message.root);
    else yield next;
  }
}

/** The raw value of a parameter; `name` in lower case. See parameter.ts for decoded values. */
export function rawParameter(parameters: readonly HeaderParameter[], name: string): string | undefined {
  for (const [key, value] of parameters) if (key === name) return value;
  return undefined;
}
