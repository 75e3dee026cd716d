// POP3 command lines (RFC 1939 section 3, RFC 2449 section 4): a keyword of three or more letters, then its argument.
// Pure; what does not parse is undefined, and the session answers -ERR. LF alone ends a line too: there are clients
// that send it, and nothing a POP3 client sends is passed on to anybody.

/** RFC 2449 section 4 has 255 octets; passwords and SASL initial responses are known to be longer. */
export const pop3LineBytesMax = 2048;

export interface Pop3Command {
  /** Upper case. */
  readonly keyword: string;
  /** What stands behind the first blank, undefined when there is none. Latin1: one character an octet. */
  readonly argument: string | undefined;
}

const commandPattern = /^([A-Za-z][A-Za-z0-9]{2,11})(?: (.*))?$/s;
const controls = /[\x00-\x1f\x7f]/;

/** `line` with its line end. */
export function parsePop3Command(line: Buffer): Pop3Command | undefined {
  let end = line.length;
  if (end > 0 && line[end - 1] === 10) end--;
  if (end > 0 && line[end - 1] === 13) end--;
  const match = commandPattern.exec(line.toString('latin1', 0, end));
  if (match === null) return undefined;
  const argument = match[2];
  if (argument !== undefined && controls.test(argument)) return undefined;
  return { keyword: match[1]!.toUpperCase(), argument };
}

/** A message number: 1 or more; undefined when it is none. Blanks around it are forgiven. */
export function parseMessageNumber(text: string): number | undefined {
  const number = parseNumber(text.trim());
  return number === undefined || number === 0 ? undefined : number;
}

/** TOP's two numbers. */
export function parseTopArguments(
  text: string,
): { readonly message: number; readonly lines: number } | undefined {
  const match = /^ *(\d{1,10}) +(\d{1,10}) *$/.exec(text);
  if (match === null) return undefined;
  const message = parseMessageNumber(match[1]!);
  return message === undefined ? undefined : { message, lines: Number(match[2]) };
}

function parseNumber(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

/** The octets of an argument as the UTF-8 they stand for (RFC 6856 section 2.2); undefined when they are not. */
export function utf8Argument(argument: string): string | undefined {
  const bytes = Buffer.from(argument, 'latin1');
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : undefined;
}
