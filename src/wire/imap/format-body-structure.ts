// BODY and BODYSTRUCTURE (RFC 9051 7.5.2), ready to send to any client: 8-bit octets are in literals.
// Recursion is bounded by the MIME parser's depth limit; total for every tree it makes.

import type { Disposition, HeaderParameter, MessagePart } from '../../mail/mime/structure.ts';
import { formatEnvelope } from './format-envelope.ts';
import { formatNstring, formatString } from './format-string.ts';

/** The structure with extension data, latin1. */
export function formatBodyStructure(root: MessagePart): string {
  return formatPart(root, true);
}

/** The structure without extension data, latin1: FETCH BODY. */
export function formatBody(root: MessagePart): string {
  return formatPart(root, false);
}

function formatPart(part: MessagePart, extended: boolean): string {
  if (part.children.length > 0) return formatMultipart(part, extended);
  const { message } = part;
  const isMessage = part.type === 'message' && (part.subtype === 'rfc822' || part.subtype === 'global');
  // The grammar has message/rfc822 only with an envelope, and multipart only with children (RFC 9051
  // media-basic, body-type-mpart): what was not looked into is opaque. So is a type with a NUL, which no
  // string can hold: without it the name could become one that asks for more fields.
  const opaque =
    (isMessage && message === undefined) ||
    part.type === 'multipart' ||
    `${part.type}${part.subtype}`.includes('\0');
  const media = opaque
    ? '"application" "octet-stream"'
    : `${formatString(part.type)} ${formatString(part.subtype)}`;
  let text =
    `(${media} ${formatParameters(part.parameters)} ${formatNstring(part.id)} ${formatNstring(part.description)} ` +
    `${formatString(part.encoding)} ${part.bodyEnd - part.bodyStart}`;
  if (isMessage && message !== undefined)
    text += ` ${formatEnvelope(message.envelope)} ${formatPart(message.root, extended)} ${part.lines}`;
  else if (part.type === 'text' && !opaque) text += ` ${part.lines}`;
  if (extended) text += ` ${formatNstring(part.md5)} ${formatTail(part)}`;
  return `${text})`;
}

function formatMultipart(part: MessagePart, extended: boolean): string {
  let text = '(';
  for (const child of part.children) text += formatPart(child, extended);
  text += ` ${formatString(part.subtype)}`;
  if (extended) text += ` ${formatParameters(part.parameters)} ${formatTail(part)}`;
  return `${text})`;
}

/** body-fld-dsp SP body-fld-lang SP body-fld-loc. */
function formatTail(part: MessagePart): string {
  const language = part.language.length === 0 ? 'NIL' : `(${part.language.map(formatString).join(' ')})`;
  return `${formatDisposition(part.disposition)} ${language} ${formatNstring(part.location)}`;
}

function formatDisposition(disposition: Disposition | undefined): string {
  if (disposition === undefined) return 'NIL';
  return `(${formatString(disposition.type)} ${formatParameters(disposition.parameters)})`;
}

function formatParameters(parameters: readonly HeaderParameter[]): string {
  if (parameters.length === 0) return 'NIL';
  let text = '';
  for (const [name, value] of parameters)
    text += `${text === '' ? '(' : ' '}${formatString(name)} ${formatString(value)}`;
  return `${text})`;
}
