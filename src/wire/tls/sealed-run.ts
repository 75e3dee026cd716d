// Records that go out one behind the other. All sessions share the memory in which they are put together, which stays in the
// processor's cache. Invariant: nobody writes to it while a socket still reads from it.

import { contentBytesMax, recordOverheadBytes, type TrafficKeys } from './traffic-keys.ts';

export interface RecordSender {
  /** What is sent waits for what was sent before. */
  readonly isQueueing: boolean;
  /** True: the kernel has taken all of it, and the bytes may change. */
  send(records: Buffer): boolean;
}

/** What a socket usually takes at once. */
const roomBytes = 4 * (contentBytesMax + recordOverheadBytes);
let room = Buffer.allocUnsafeSlow(roomBytes);

/** The content of the record that is to be added next. */
export const content = Buffer.alloc(contentBytesMax + 1);

export class SealedRun {
  readonly #keys: TrafficKeys;
  readonly #sender: RecordSender;
  #target: Buffer;
  #length = 0;

  /** `bytes`: how much content there is going to be. What waits in a queue has memory of its own, and no more than it needs. */
  constructor(keys: TrafficKeys, bytes: number, sender: RecordSender) {
    this.#keys = keys;
    this.#sender = sender;
    const records = Math.ceil(bytes / contentBytesMax);
    this.#target = sender.isQueueing ? Buffer.allocUnsafeSlow(bytes + records * recordOverheadBytes) : room;
  }

  /** The first `length` bytes of `content`, as one record. */
  add(length: number, type: number): void {
    if (this.#length + length + recordOverheadBytes > this.#target.length) this.#send();
    content[length] = type;
    this.#length = this.#keys.seal(content.subarray(0, length + 1), this.#target, this.#length);
  }

  /** Sends what has been added. */
  end(): void {
    if (this.#length > 0) this.#send();
  }

  #send(): void {
    const isFree = this.#sender.send(this.#target.subarray(0, this.#length));
    this.#length = 0;
    if (isFree) return;
    // Others use the room meanwhile; the rest of this run waits behind what has been sent.
    if (this.#target === room) room = Buffer.allocUnsafeSlow(roomBytes);
    this.#target = room;
  }
}
