// BODY and BODYSTRUCTURE (RFC 9051 7.5.2), ready to send to any client: 8-bit octets are in literals.
// Total for every tree the MIME parser makes.

import type { Disposition, HeaderParameter, MessagePart } from '../../mail/mime/structure.ts';
import { formatEnvelope } from './format-envelope.ts';
import { formatNstring, formatString } from './format-string.ts';

/** Parts in a step of formatBodyStructureSteps: less than a millisecond. */
const stepParts = 1000;

/** The structure with extension data, latin1. */
export function formatBodyStructure(root: MessagePart): string {
  return formatted(root, true);
}

/** The same in steps of 1,000 parts. */
export function* formatBodyStructureSteps(root: MessagePart): Generator<undefined, string, void> {
  const formatter = new BodyFormatter(root, true);
  while (!formatter.run(stepParts)) yield undefined;
  return formatter.text;
}

/** The structure without extension data, latin1: FETCH BODY. */
export function formatBody(root: MessagePart): string {
  return formatted(root, false);
}

function formatted(root: MessagePart, extended: boolean): string {
  const formatter = new BodyFormatter(root, extended);
  formatter.run(Number.MAX_SAFE_INTEGER);
  return formatter.text;
}

/** A part whose inner ones are being formatted. */
interface OpenPart {
  readonly part: MessagePart;
  readonly inner: readonly MessagePart[];
  next: number;
}

class BodyFormatter {
  text = '';
  readonly #extended: boolean;
  readonly #open: OpenPart[] = [];

  constructor(root: MessagePart, extended: boolean) {
    this.#extended = extended;
    this.#begin(root);
  }

  /** Formats so many more parts; true when none is left. */
  run(parts: number): boolean {
    for (let left = parts; left > 0; ) {
      const open = this.#open.at(-1);
      if (open === undefined) return true;
      if (open.next < open.inner.length) {
        this.#begin(open.inner[open.next++]!);
        left--;
      } else {
        this.#open.pop();
        this.#end(open.part);
      }
    }
    return false;
  }

  /** All of it, or what comes before what is in it. */
  #begin(part: MessagePart): void {
    if (part.children.length > 0) {
      this.text += '(';
      this.#open.push({ part, inner: part.children, next: 0 });
      return;
    }
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
    this.text +=
      `(${media} ${formatParameters(part.parameters)} ${formatNstring(part.id)} ${formatNstring(part.description)} ` +
      `${formatString(part.encoding)} ${part.bodyEnd - part.bodyStart}`;
    if (isMessage && message !== undefined) {
      this.text += ` ${formatEnvelope(message.envelope)} `;
      this.#open.push({ part, inner: [message.root], next: 0 });
      return;
    }
    if (part.type === 'text' && !opaque) this.text += ` ${part.lines}`;
    this.#endSingle(part);
  }

  /** What comes after what is in it. */
  #end(part: MessagePart): void {
    if (part.children.length === 0) {
      this.text += ` ${part.lines}`;
      this.#endSingle(part);
      return;
    }
    this.text += ` ${formatString(part.subtype)}`;
    if (this.#extended) this.text += ` ${formatParameters(part.parameters)} ${formatTail(part)}`;
    this.text += ')';
  }

  #endSingle(part: MessagePart): void {
    if (this.#extended) this.text += ` ${formatNstring(part.md5)} ${formatTail(part)}`;
    this.text += ')';
  }
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
