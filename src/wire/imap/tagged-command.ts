// What all commands of an IMAP client have (command.ts).

export interface Tagged {
  /** The client's own text, 1..n characters of ASTRING-CHAR without '+': safe to write back as it is. */
  readonly tag: string;
}
