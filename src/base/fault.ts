// A fault: disk, peer, DNS, memory. The client sees generic text, the log all of it (STYLE 8).
// `temporary` tells whether trying again later can help; a speaker answers 4xx / [UNAVAILABLE] then.

export class Fault extends Error {
  readonly temporary: boolean;

  constructor(message: string, options: { temporary: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.name = 'Fault';
    this.temporary = options.temporary;
  }
}
