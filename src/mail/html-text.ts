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

/** Text of an HTML document or fragment; line breaks where blocks end, other white space as in the source. */
export function htmlToText(html: string): string {
  return htmlTextPieces(html, Number.POSITIVE_INFINITY).next().value ?? '';
}

/** The same in pieces of about that length, for a caller that must not be held up by a large one. */
export function* htmlTextPieces(html: string, length: number): Generator<string, void, void> {
  let text = '';
  let position = 0;
  while (position < html.length) {
    const tagStart = html.indexOf('<', position);
    const end = tagStart === -1 ? html.length : tagStart;
    if (end > position) text += decodeEntities(html.slice(position, end));
    if (tagStart === -1) break;
    const tag = tagAt(html, tagStart);
    if (tag === undefined) {
      // "a < b": a less-than sign.
      text += '<';
      position = tagStart + 1;
      continue;
    }
    position = !tag.isEnd && rawElements.has(tag.name) ? afterEndTag(html, tag.end, tag.name) : tag.end;
    if (lineElements.has(tag.name)) text += '\n';
    if (text.length >= length) {
      yield text;
      text = '';
    }
  }
  if (text !== '') yield text;
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

/** After `</name…>`; the end of the text when it never comes. */
function afterEndTag(html: string, from: number, name: string): number {
  for (let at = html.indexOf('</', from); at !== -1; at = html.indexOf('</', at + 2)) {
    if (html.slice(at + 2, at + 2 + name.length).toLowerCase() !== name) continue;
    const end = html.indexOf('>', at);
    return end === -1 ? html.length : end + 1;
  }
  return html.length;
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
