// POP3 status lines: "+OK text" and "-ERR [CODE] text" (RFC 1939 section 3, RFC 2449 section 8). Text is ours, ASCII and
// short: a line has at most 512 octets (RFC 2449 section 4).

/** RFC 2449 8.1, RFC 3206, RFC 6856 section 5. */
export type Pop3ResponseCode = 'LOGIN-DELAY' | 'IN-USE' | 'SYS/TEMP' | 'SYS/PERM' | 'AUTH' | 'UTF8';

export function okLine(text: string): string {
  return `+OK ${text}\r\n`;
}

export function errLine(text: string, code?: Pop3ResponseCode): string {
  return code === undefined ? `-ERR ${text}\r\n` : `-ERR [${code}] ${text}\r\n`;
}
