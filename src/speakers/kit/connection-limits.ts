// What bounds a connection's memory and waiting, each with its reason.

export interface ConnectionLimits {
  /**
   * Reading stops when so much is there and the session is busy: a pipelining peer waits instead of filling memory. One read
   * (64 KB) may go beyond it, and another one waits in the socket.
   */
  readonly inputBytesMax: number;
  /** Queued output above this is sent at once, not at the end of the turn. */
  readonly outputBytesHighWater: number;
  /** A peer that takes nothing for so long is cut off. */
  readonly drainTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  /** After our end the peer gets so long to end too, so that no reset overtakes our last words. */
  readonly lingerMs: number;
}

export const connectionLimitsDefault: ConnectionLimits = {
  inputBytesMax: 64 * 1024,
  outputBytesHighWater: 64 * 1024,
  drainTimeoutMs: 300_000,
  handshakeTimeoutMs: 30_000,
  lingerMs: 5_000,
};
