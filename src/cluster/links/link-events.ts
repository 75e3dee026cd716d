// What a connection tells the end of the link that it serves (calling-link.ts, serving-link.ts).

import type { MessageStart } from './frame.ts';
import type { Hello } from './hello.ts';

export interface LinkEvents {
  /** The peer's hello; throws LinkProtocolError when there is no common version. */
  greeted(hello: Hello): void;
  /** A message begins. False: its bytes are counted and forgotten. Throws LinkProtocolError when it must not be. */
  begins(stream: number, start: MessageStart): boolean;
  message(stream: number, value: unknown, start: MessageStart): void;
  /** A message that was forgotten has come to its end. */
  discarded(stream: number, start: MessageStart): void;
  /** There is no room for the message, and will not be soon. */
  tooLarge(stream: number): void;
  cancelled(stream: number): void;
  ended(stream: number): void;
  goingAway(reason: string): void;
  /** Less waits to be sent than before. */
  drained(): void;
  closed(reason: string): void;
}
