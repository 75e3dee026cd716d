// Small messages that wait to be sent. Those of calls are as few as calls may be under way; those of held streams may be as
// many as these, so they are kept by stream: a peer that gives them all up costs no more than their number.
// Invariant: messages of one stream keep their order.

import type { OutgoingMessage } from './outbox.ts';

export class SmallMessages {
  #ofCalls: OutgoingMessage[] = [];
  readonly #ofHeld = new Map<number, OutgoingMessage[]>();

  get isEmpty(): boolean {
    return this.#ofCalls.length === 0 && this.#ofHeld.size === 0;
  }

  push(message: OutgoingMessage): void {
    if (!message.held) {
      this.#ofCalls.push(message);
      return;
    }
    const waiting = this.#ofHeld.get(message.stream);
    if (waiting === undefined) this.#ofHeld.set(message.stream, [message]);
    else waiting.push(message);
  }

  has(stream: number): boolean {
    return this.#ofHeld.has(stream) || this.#ofCalls.some((message) => message.stream === stream);
  }

  drop(stream: number): void {
    this.#ofHeld.delete(stream);
    if (this.#ofCalls.length > 0)
      this.#ofCalls = this.#ofCalls.filter((message) => message.stream !== stream);
  }

  clear(): void {
    this.#ofCalls = [];
    this.#ofHeld.clear();
  }

  /** Hands them out until `sends` says that there is no room for the next one. */
  take(sends: (message: OutgoingMessage) => boolean): void {
    if (this.#ofCalls.length > 0) this.#ofCalls = unsent(this.#ofCalls, sends);
    if (this.#ofCalls.length > 0) return;
    for (const [stream, messages] of this.#ofHeld) {
      const left = unsent(messages, sends);
      if (left.length === 0) this.#ofHeld.delete(stream);
      else {
        this.#ofHeld.set(stream, left);
        return;
      }
    }
  }
}

function unsent(
  messages: OutgoingMessage[],
  sends: (message: OutgoingMessage) => boolean,
): OutgoingMessage[] {
  const first = messages.findIndex((message) => !sends(message));
  return first < 0 ? [] : messages.slice(first);
}
