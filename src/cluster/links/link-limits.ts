// The limits of links (STYLE 7), each with its reason. Frozen; what an operator may need to change is configuration
// that the composition passes on.

export interface LinkLimits {
  /** What one stream has on the way at the most: covers 1 ms of distance at 500 MB/s. */
  readonly streamWindowBytes: number;
  /** All large messages of a link together: what a small call may find before it in the network's buffers. */
  readonly linkWindowBytes: number;
  /**
   * Large messages that are being taken in, or worked on, over all links of an end but those of the outer zone; more of them
   * wait for their turn.
   */
  readonly incomingBytesMax: number;
  /**
   * Answers of one link that wait to be sent, or are being made: calls that would add to more wait to be begun. Of a peer of
   * the outer zone: those of all its links.
   */
  readonly outgoingBytesMax: number;
  /**
   * What a stream of such a peer sends before there is room for all of its message: small, for each of its requests may have
   * so much without leave.
   */
  readonly outerWindowBytes: number;
  /** Room that each such peer has for messages up to a stream's window; no other one can take it. */
  readonly outerOwnBytesMax: number;
  /** For longer ones: of one such peer, so that none is longer; */
  readonly outerShareBytesMax: number;
  /** and of all of them together. */
  readonly outerIncomingBytesMax: number;
  /** Answers to all such peers together, as above. */
  readonly outerOutgoingBytesMax: number;
  /** Calls of one link under way at a time; the caller keeps more waiting. */
  readonly callsMax: number;
  /** Calls that wait at the caller; one more is refused. */
  readonly callsWaitingMax: number;
  /** Watches and locks of one link: one a session that a frontend has, and a few bytes each. */
  readonly heldMax: number;
  /**
   * Calls and held streams of one peer, over all of its links: twice what one has, for the next link after a break. As many
   * requests may be coming, or wait to be begun.
   */
  readonly peerCallsMax: number;
  readonly peerHeldMax: number;
  /** Links a node accepts: every node of a large cluster, twice, while they reconnect. */
  readonly linksMax: number;
  /** Of these, links of one peer: it needs one, and leaves some behind when the network breaks. The oldest goes. */
  readonly peerLinksMax: number;
  /** From the first packet to the end of both hellos. */
  readonly handshakeTimeoutMs: number;
  /** Connections whose handshake is not done: of all, and of one network. A node that starts is asked by all others at once. */
  readonly halfOpenMax: number;
  readonly halfOpenPerNetworkMax: number;
  /** A peer that takes next to nothing of what waits for it for so long is given up: others want the room. */
  readonly stalledMs: number;
  /** An end that hears nothing for this long asks. */
  readonly pingAfterMs: number;
  /** An end that hears nothing for this long gives the link up: below the time in which a lease runs out. */
  readonly silentMs: number;
}

export const linkLimitsDefault: LinkLimits = Object.freeze({
  streamWindowBytes: 1024 * 1024,
  linkWindowBytes: 4 * 1024 * 1024,
  incomingBytesMax: 256 * 1024 * 1024,
  outgoingBytesMax: 64 * 1024 * 1024,
  outerWindowBytes: 64 * 1024,
  outerOwnBytesMax: 32 * 1024 * 1024,
  outerShareBytesMax: 128 * 1024 * 1024,
  outerIncomingBytesMax: 192 * 1024 * 1024,
  outerOutgoingBytesMax: 256 * 1024 * 1024,
  callsMax: 256,
  callsWaitingMax: 10_000,
  heldMax: 200_000,
  peerCallsMax: 512,
  peerHeldMax: 400_000,
  linksMax: 4_096,
  peerLinksMax: 8,
  handshakeTimeoutMs: 5_000,
  halfOpenMax: 512,
  halfOpenPerNetworkMax: 64,
  stalledMs: 60_000,
  pingAfterMs: 1_000,
  silentMs: 3_000,
});
