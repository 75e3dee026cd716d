// A command as framed, before its arguments are understood: what command-reader.ts hands to parse-command.ts.

/** The octets of one literal, as they came off the connection. */
export interface Literal {
  readonly size: number;
  /** The lengths add up to `size`. */
  readonly chunks: readonly Buffer[];
}

export interface RawCommand {
  /**
   * The command's lines in latin1 (one char an octet) without line ends, joined by one '\n' behind each literal's
   * `{n}`: a '\n' stands nowhere else, so it tells a literal from text that looks like one.
   */
  readonly text: string;
  /** In the order of the '\n's. */
  readonly literals: readonly Literal[];
}
