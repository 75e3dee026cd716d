// What one peer has under way here, over all of its links, those that have ended among them: a service goes on for a while
// after its caller is gone, so that new links must not buy more work than one has.
// Invariant: what was begun is counted until it is done, whatever becomes of its link. Requests that are still coming, or wait
// to be begun, are counted apart, while their link lasts: each may take a window's memory before there is a call.
// Nothing here fails: who finds no room waits (calls), or is refused by the link (requests, held streams).

export interface PeerWorkLimits {
  /** As many requests may be coming or waiting. */
  readonly callsMax: number;
  readonly heldMax: number;
}

export class PeerWork {
  readonly #limits: PeerWorkLimits;
  #calls = 0;
  #held = 0;
  #unbegun = 0;
  /** Links that have calls waiting for room. */
  #waiting = new Set<() => void>();

  constructor(limits: PeerWorkLimits) {
    this.#limits = limits;
  }

  get hasRoomForCall(): boolean {
    return this.#calls < this.#limits.callsMax;
  }

  get hasRoomForHeld(): boolean {
    return this.#held < this.#limits.heldMax;
  }

  get hasRoomForRequest(): boolean {
    return this.#unbegun < this.#limits.callsMax;
  }

  beginCall(): void {
    this.#calls++;
  }

  endCall(): void {
    this.#calls--;
    if (this.#waiting.size === 0) return;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const callback of waiting) callback();
  }

  countHeld(change: number): void {
    this.#held += change;
  }

  countUnbegun(change: number): void {
    this.#unbegun += change;
  }

  /** `callback`: called once, when a call has ended. */
  whenCallEnded(callback: () => void): void {
    this.#waiting.add(callback);
  }
}
