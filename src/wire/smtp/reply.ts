// Replies (RFC 5321 4.2, enhanced codes of RFC 2034 and 3463). The texts are ours: they never repeat what the client
// sent, so nothing a client says can end a line.

/** "250 2.1.0" or "250": code, then the enhanced code that every line repeats (RFC 2034 4). */
export type ReplyCode =
  | `${2 | 4 | 5}${number} ${2 | 4 | 5}.${number}.${number}`
  | `${2 | 3 | 4 | 5}${number}`;

/** One line: "250 2.1.0 Sender OK". */
export function formatReply(code: ReplyCode, text: string): string {
  return `${code} ${text}\r\n`;
}

/** Several lines: all but the last have "-" behind the code. At least one. */
export function formatReplyLines(code: ReplyCode, lines: readonly string[]): string {
  const status = code.slice(0, 3);
  const enhanced = code.length > 3 ? `${code.slice(4)} ` : '';
  let reply = '';
  for (let index = 0; index < lines.length; index++) {
    reply += `${status}${index === lines.length - 1 ? ' ' : '-'}${enhanced}${lines[index]}\r\n`;
  }
  return reply;
}
