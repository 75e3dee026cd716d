// Logs: one JSON line an event (pretty on a terminal). Modules get a Logger and bind what they know to it
// (`log.child({ traceId })`), so that one message or session can be followed through every module.
// Invariant: never a password, never a message body; `redact` is a last line of defence, not the first.

import { type Logger as PinoLogger, pino } from 'pino';

export type Logger = PinoLogger;
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LogOptions {
  readonly level: LogLevel;
  readonly pretty: boolean;
  /** In every line: which of several processes it is. */
  readonly fields?: Readonly<Record<string, string>>;
}

/** The process's root logger, to standard output, or standard error when pretty (a terminal's). */
export function openLog(options: LogOptions): Logger {
  const redact = ['password', 'secret', 'token', '*.password', '*.secret', '*.token'];
  const base = {
    level: options.level,
    redact,
    base: options.fields ?? null,
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  if (!options.pretty) return pino(base, pino.destination({ fd: 1, sync: false }));
  return pino({
    ...base,
    transport: { target: 'pino-pretty', options: { destination: 2, ignore: 'pid,hostname' } },
  });
}

/** For tests and for parts that were given none. */
export const silentLog: Logger = pino({ level: 'silent' });
