// What the header of one part says about it: the Content-* fields of RFC 2045, 2183, 2557, 3282, 1864, with the defaults for
// what is missing or makes no sense (RFC 2045 5.2).

import { FieldNames } from '../field-names.ts';
import { type HeaderBlock, offsetsPerField, unfold } from '../header.ts';
import { type ParameterizedValue, parseParameterized, withoutComments } from '../parameter.ts';
import { type Disposition, type HeaderParameter, type MessagePart, rawParameter } from './structure.ts';

export type PartHeader = Pick<
  MessagePart,
  | 'type'
  | 'subtype'
  | 'parameters'
  | 'id'
  | 'description'
  | 'encoding'
  | 'md5'
  | 'disposition'
  | 'language'
  | 'location'
>;

/** Tags of one Content-Language; nobody has more. */
const languagesMax = 100;
const usAscii: HeaderParameter = ['charset', 'us-ascii'];
const usAsciiOnly: readonly HeaderParameter[] = [usAscii];
const none: readonly never[] = [];

const contentNames = new FieldNames([
  'content-type',
  'content-transfer-encoding',
  'content-id',
  'content-description',
  'content-disposition',
  'content-language',
  'content-location',
  'content-md5',
]);
type ContentName = NonNullable<ReturnType<typeof contentNames.of>>;

/** Reads the Content-* fields of a scanned header; of two fields with one name the first counts. */
export function partHeader(bytes: Buffer, block: HeaderBlock, inDigest: boolean): PartHeader {
  const raw: Partial<Record<ContentName, string>> = {};
  const { offsets, count } = block;
  for (let index = 0; index < count; index++) {
    const name = contentNames.of(bytes, block, index);
    if (name === undefined || raw[name] !== undefined) continue;
    const base = index * offsetsPerField;
    raw[name] = unfold(bytes.toString('latin1', offsets[base + 2], offsets[base + 3]));
  }
  const media = mediaType(raw['content-type'], inDigest);
  return {
    type: media.type,
    subtype: media.subtype,
    parameters: media.parameters,
    id: raw['content-id'] || undefined,
    description: raw['content-description'] || undefined,
    encoding: transferEncoding(raw['content-transfer-encoding']),
    md5: raw['content-md5'] || undefined,
    disposition: disposition(raw['content-disposition']),
    language: languages(raw['content-language']),
    location: raw['content-location'] || undefined,
  };
}

/** A part that no header describes: plain text (RFC 2045 5.2). */
export function plainTextHeader(): PartHeader {
  return {
    type: 'text',
    subtype: 'plain',
    parameters: usAsciiOnly,
    id: undefined,
    description: undefined,
    encoding: '7bit',
    md5: undefined,
    disposition: undefined,
    language: none,
    location: undefined,
  };
}

type MediaType = Pick<MessagePart, 'type' | 'subtype' | 'parameters'>;

const mediaPattern = /^([^\s/]+)\s*(?:\/\s*([^\s/]\S*)?)?\s*/;

function mediaType(raw: string | undefined, inDigest: boolean): MediaType {
  if (raw === undefined) {
    // RFC 2046 5.1.5: a part of a digest is a message unless it says something else.
    if (inDigest) return { type: 'message', subtype: 'rfc822', parameters: none };
    return { type: 'text', subtype: 'plain', parameters: usAsciiOnly };
  }
  let parsed: ParameterizedValue = parseParameterized(raw);
  const match = mediaPattern.exec(parsed.value);
  if (match !== null && match[0].length < parsed.value.length) {
    // `text/html charset=utf-8`: the semicolon is missing.
    const rest = parseParameterized(`;${parsed.value.slice(match[0].length)}`);
    parsed = { value: match[0], parameters: [...rest.parameters, ...parsed.parameters] };
  }
  const type = (match?.[1] ?? '').toLowerCase();
  const subtype = (match?.[2] ?? '').toLowerCase();
  const parameters = parsed.parameters;
  if (type === 'multipart') return { type, subtype: subtype === '' ? 'mixed' : subtype, parameters };
  if (type !== 'text' && type !== '' && subtype !== '') return { type, subtype, parameters };
  const withCharset =
    rawParameter(parameters, 'charset') === undefined ? [...parameters, usAscii] : parameters;
  return {
    type: 'text',
    subtype: type === 'text' && subtype !== '' ? subtype : 'plain',
    parameters: withCharset,
  };
}

function transferEncoding(raw: string | undefined): string {
  if (raw === undefined) return '7bit';
  const token = /^[^\s;"]+/.exec(withoutComments(raw).replace(/^[\s"]+/, ''));
  return token === null ? '7bit' : token[0].toLowerCase();
}

function disposition(raw: string | undefined): Disposition | undefined {
  if (raw === undefined) return undefined;
  const { value, parameters } = parseParameterized(raw);
  if (value === '' && parameters.length === 0) return undefined;
  const type = value.toLowerCase();
  return { type: type === '' ? 'attachment' : type, parameters };
}

function languages(raw: string | undefined): readonly string[] {
  if (raw === undefined) return none;
  const tags = withoutComments(raw).split(',', languagesMax);
  return tags.map((tag) => tag.trim()).filter((tag) => tag !== '');
}
