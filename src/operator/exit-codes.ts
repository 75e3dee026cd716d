// The exit codes of `rookery`, listed by `rookery --help` and docs/command-line.md. Scripts rely on them: never renumber.

export const exitCodes = {
  /** Done. */
  success: 0,
  /** The server refused, or the command failed; standard error says why and what to do next. */
  failure: 1,
  /** The command line is not right. */
  usage: 2,
  /** The server cannot be reached. */
  unreachable: 3,
  /** What was named does not exist. */
  notFound: 4,
  /** `store check` found damage. */
  damaged: 5,
  /** The configuration is not right, or this machine is no node of its cluster any more: to start it again is of no use. */
  configuration: 78,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** A failure that is told in one line and ends the program with a code. */
export class CommandFailure extends Error {
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = exitCodes.failure) {
    super(message);
    this.name = 'CommandFailure';
    this.exitCode = exitCode;
  }
}

/** The server says that it may work later: an account that has no host for the moment. */
export class TemporaryFailure extends CommandFailure {}
