// HTML to the text a reader would see, for previews and search: tags stripped, entities resolved, scripts and styles
// left out. Not a browser: tolerant, linear, and never for showing as HTML again.

/** Elements whose content is not text; they end at their own end tag only. */
const rawElements = new Set(['script', 'style', 'title']);
/** Elements that start a new line; other tags join what is around them ("a<b>b</b>c" is one word). */
const lineElements = new Set(
  'address article aside blockquote br center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr li main nav ol option p pre section table tbody td tfoot th thead tr ul'.split(
    ' ',
  ),
);

/** Characters of the source in a step of htmlTextPieces: a millisecond, or two where each is an entity or a stray "<". */
const stepCharacters = 16 * 1024;
/** Of the longest entity, "&" and ";" included: no step ends within one. */
const entityLengthMax = 11;

/** Text of an HTML document or fragment; line breaks where blocks end, other white space as in the source. */
export function htmlToText(html: string): string {
  let text = '';
  for (const piece of htmlTextPieces(html, Number.POSITIVE_INFINITY)) text += piece;
  return text;
}

/** The same in pieces of about that length, for a caller that must not be held up by a large one: between them come empty ones. */
export function* htmlTextPieces(html: string, length: number): Generator<string, void, void> {
  const reader = new HtmlReader(html);
  let text = '';
  let stepEnd = stepCharacters;
  while (!reader.ended) {
    text += reader.next();
    if (text.length >= length) {
      yield text;
      text = '';
    } else if (reader.position + entityLengthMax > stepEnd) yield '';
    else continue;
    stepEnd = reader.position + stepCharacters;
  }
  if (text !== '') yield text;
}

/** Goes through the source tag by tag; each `next` looks at one step of it at the most, where it does more than search. */
class HtmlReader {
  readonly #html: string;
  #position = 0;
  /** Where the next "<" is, at `position` or behind it: looked for once, however many steps there are up to it. */
  #tagStart = -1;
  /** The element whose end tag alone ends what is being passed over. */
  #raw: string | undefined;

  constructor(html: string) {
    this.#html = html;
  }

  get position(): number {
    return this.#position;
  }

  get ended(): boolean {
    return this.#position >= this.#html.length;
  }

  /** The text up to behind the next tag, or of a step. */
  next(): string {
    if (this.#raw !== undefined) {
      this.#passRaw(this.#raw);
      return '';
    }
    const html = this.#html;
    const start = this.#position;
    if (this.#tagStart < start) this.#tagStart = indexOrEnd(html, '<', start);
    const tagStart = this.#tagStart;
    const end = stepEndBefore(html, start, tagStart);
    const text = end > start ? decodeEntities(html.slice(start, end)) : '';
    this.#position = end;
    return end < tagStart || end === html.length ? text : text + this.#tag(end);
  }

  /** What stands for the tag, or for a "<" that begins none. */
  #tag(start: number): string {
    const tag = tagAt(this.#html, start);
    if (tag === undefined) {
      // "a < b": a less-than sign.
      this.#position = start + 1;
      return '<';
    }
    this.#position = tag.end;
    if (!tag.isEnd && rawElements.has(tag.name)) this.#raw = tag.name;
    return lineElements.has(tag.name) ? '\n' : '';
  }

  /** To the next `</`; behind it when it is `</name…>`. */
  #passRaw(name: string): void {
    const html = this.#html;
    const at = indexOrEnd(html, '</', this.#position);
    this.#position = at + 2;
    if (html.slice(at + 2, at + 2 + name.length).toLowerCase() !== name) return;
    this.#position = indexOrEnd(html, '>', at) + 1;
    this.#raw = undefined;
  }
}

function indexOrEnd(html: string, what: string, from: number): number {
  const found = html.indexOf(what, from);
  return found === -1 ? html.length : found;
}

/** `end`, or where a step ends before it. */
function stepEndBefore(html: string, start: number, end: number): number {
  if (end - start <= stepCharacters) return end;
  const stepEnd = start + stepCharacters;
  const from = stepEnd - entityLengthMax + 1;
  const entity = html.slice(from, stepEnd).lastIndexOf('&');
  return entity === -1 ? stepEnd : from + entity;
}

interface Tag {
  /** Lower case; '' for comments and declarations. */
  readonly name: string;
  readonly isEnd: boolean;
  readonly end: number;
}

const tagName = /\/?([a-zA-Z][a-zA-Z0-9:-]{0,50})?/y;

function tagAt(html: string, start: number): Tag | undefined {
  const next = html[start + 1];
  if (next === undefined) return undefined;
  if (next === '!' || next === '?') {
    const isComment = html.startsWith('!--', start + 1);
    const found = html.indexOf(isComment ? '-->' : '>', start + 2);
    const end = found === -1 ? html.length : found + (isComment ? 3 : 1);
    return { name: '', isEnd: false, end };
  }
  tagName.lastIndex = start + 1;
  const match = tagName.exec(html);
  if (match === null || match[1] === undefined) return undefined;
  const found = html.indexOf('>', tagName.lastIndex);
  // A tag that the text was cut in.
  const end = found === -1 ? html.length : found + 1;
  return {
    name: match[1].toLowerCase(),
    isEnd: next === '/',
    end,
  };
}

/** Entities that mail uses; others stay as they are written. */
const entities = new Map<string, string>(
  Object.entries({
    amp: '&',
    lt: '<',
    gt: '>',
    quot: '"',
    apos: "'",
    nbsp: '\u00a0',
    iexcl: '¡',
    cent: '¢',
    pound: '£',
    yen: '¥',
    sect: '§',
    uml: '¨',
    copy: '©',
    laquo: '«',
    raquo: '»',
    shy: '',
    reg: '®',
    deg: '°',
    plusmn: '±',
    acute: '´',
    micro: 'µ',
    para: '¶',
    middot: '·',
    frac12: '½',
    iquest: '¿',
    times: '×',
    divide: '÷',
    szlig: 'ß',
    AElig: 'Æ',
    aelig: 'æ',
    OElig: 'Œ',
    oelig: 'œ',
    Oslash: 'Ø',
    oslash: 'ø',
    Aring: 'Å',
    aring: 'å',
    ndash: '–',
    mdash: '—',
    lsquo: '‘',
    rsquo: '’',
    sbquo: '‚',
    ldquo: '“',
    rdquo: '”',
    bdquo: '„',
    bull: '•',
    hellip: '…',
    lsaquo: '‹',
    rsaquo: '›',
    euro: '€',
    trade: '™',
    zwnj: '',
    zwj: '',
    zwsp: '',
    ensp: ' ',
    emsp: ' ',
    thinsp: ' ',
    rarr: '→',
    larr: '←',
    check: '✓',
    hearts: '♥',
  }),
);

/** Letter and accent: `&eacute;`, `&Ntilde;`. */
const accents = new Map([
  ['grave', '\u0300'],
  ['acute', '\u0301'],
  ['circ', '\u0302'],
  ['tilde', '\u0303'],
  ['uml', '\u0308'],
  ['cedil', '\u0327'],
  ['caron', '\u030c'],
]);

const entityPattern = /&(?:#(\d{1,7}|[xX][0-9a-fA-F]{1,6})|([a-zA-Z][a-zA-Z0-9]{1,8}));?/g;

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(entityPattern, (whole, numeric: string | undefined, name: string | undefined) => {
    if (numeric !== undefined) return codePointText(numeric);
    return entities.get(name!) ?? accentedLetter(name!) ?? whole;
  });
}

function codePointText(numeric: string): string {
  const hexadecimal = numeric[0] === 'x' || numeric[0] === 'X';
  const code = hexadecimal ? Number.parseInt(numeric.slice(1), 16) : Number(numeric);
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return '\ufffd';
  return String.fromCodePoint(code);
}

function accentedLetter(name: string): string | undefined {
  const accent = accents.get(name.slice(1));
  return accent === undefined ? undefined : `${name[0]}${accent}`.normalize('NFC');
}
