// The envelope: the ten header values that IMAP ENVELOPE, SORT, THREAD and message lists ask for
// (RFC 9051 7.5.2), raw. Addresses stay text here; address-list.ts takes them apart.

import { asBuffer } from '../bytes.ts';
import { FieldNames } from '../field-names.ts';
import { type HeaderBlock, headerFields, offsetsPerField, unfold } from '../header.ts';

/** Unfolded, trimmed header values, one character a byte (latin1); undefined when the field is absent. */
export interface Envelope {
  readonly date: string | undefined;
  readonly subject: string | undefined;
  /** An address list; several fields of one name are joined with a comma. The same for those below. */
  readonly from: string | undefined;
  /** `from` when absent or empty (RFC 9051 7.5.2). */
  readonly sender: string | undefined;
  /** `from` when absent or empty. */
  readonly replyTo: string | undefined;
  readonly to: string | undefined;
  readonly cc: string | undefined;
  readonly bcc: string | undefined;
  readonly inReplyTo: string | undefined;
  readonly messageId: string | undefined;
}

/** In the order of IMAP ENVELOPE; also the order of the codec. */
export const envelopeKeys = [
  'date',
  'subject',
  'from',
  'sender',
  'replyTo',
  'to',
  'cc',
  'bcc',
  'inReplyTo',
  'messageId',
] as const satisfies readonly (keyof Envelope)[];

type MutableEnvelope = { -readonly [Key in keyof Envelope]: Envelope[Key] };

const keyByName = new Map<string, keyof Envelope>([
  ['date', 'date'],
  ['subject', 'subject'],
  ['from', 'from'],
  ['sender', 'sender'],
  ['reply-to', 'replyTo'],
  ['to', 'to'],
  ['cc', 'cc'],
  ['bcc', 'bcc'],
  ['in-reply-to', 'inReplyTo'],
  ['message-id', 'messageId'],
]);
const fieldNames = new FieldNames([...keyByName.keys()]);
const lists = new Set<keyof Envelope>(['from', 'sender', 'replyTo', 'to', 'cc', 'bcc']);

/** The envelope of the message whose header block was scanned. */
export function envelopeOf(bytes: Uint8Array, block: HeaderBlock): Envelope {
  const buffer = asBuffer(bytes);
  const envelope: MutableEnvelope = emptyEnvelope();
  const { offsets, count } = block;
  for (let index = 0; index < count; index++) {
    const name = fieldNames.of(buffer, block, index);
    if (name === undefined) continue;
    const key = keyByName.get(name)!;
    const base = index * offsetsPerField;
    const value = unfold(buffer.toString('latin1', offsets[base + 2], offsets[base + 3]));
    const before = envelope[key];
    if (before === undefined || before === '') envelope[key] = value;
    else if (lists.has(key) && value !== '') envelope[key] = `${before}, ${value}`;
  }
  envelope.sender ||= envelope.from;
  envelope.replyTo ||= envelope.from;
  return envelope;
}

/** Scans the header at `start` and gives its envelope. */
export function parseEnvelope(bytes: Uint8Array, start = 0, end = bytes.length): Envelope {
  return envelopeOf(bytes, headerFields(bytes, start, end));
}

export function emptyEnvelope(): MutableEnvelope {
  return {
    date: undefined,
    subject: undefined,
    from: undefined,
    sender: undefined,
    replyTo: undefined,
    to: undefined,
    cc: undefined,
    bcc: undefined,
    inReplyTo: undefined,
    messageId: undefined,
  };
}
