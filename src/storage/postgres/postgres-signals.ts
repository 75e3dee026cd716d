// Change signals between the nodes of a cell, over LISTEN and NOTIFY. They go out after the commit, on a connection of
// their own and gathered while the one before is under way: a NOTIFY within the commit would make all nodes' commits wait
// for each other (PostgreSQL takes one lock for all who notify until their commit is flushed).
//
// Invariant: a lost signal costs delay only, so nothing here is tried for long; whoever needs a change polls behind it. After
// the listening connection was away, every topic is signalled, since nobody knows what was missed.

import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Topics } from '../topics.ts';
import type { PostgresSession } from './postgres-session.ts';

const channel = 'rookery';
/** PostgreSQL takes payloads below 8000 bytes. */
const payloadBytesMax = 7_900;
/** More than fit into so many payloads are told as "anything may have changed". */
const payloadsMax = 4;
const everything = '*';
const firstDelayMs = 50;
const delayMsMax = 5_000;
/** A line that is dead and carries nothing would be noticed by the kernel alone, after many minutes. */
const probeIntervalMs = 15_000;

const listenStatement = { name: 'listen', text: `LISTEN ${channel}` };
/** Nothing of it is on disk, so there is nothing to wait for. */
const hurry = { name: 'hurry', text: "SELECT set_config('synchronous_commit', 'off', false)" };
const probe = { name: 'probe', text: 'SELECT 1' };
const notifyStatement = { name: 'notify', text: `SELECT pg_notify('${channel}', $1)` };

export interface PostgresSignalsOptions {
  readonly connect: () => Promise<PostgresSession>;
  /** Who sends: its own signals were told at once and are not told again. One word. */
  readonly sender: string;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly log: Logger;
}

export class PostgresSignals {
  readonly #options: PostgresSignalsOptions;
  readonly #gathered = new Set<string>();
  #session: PostgresSession | undefined;
  #sending = false;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: PostgresSignalsOptions) {
    this.#options = options;
  }

  /** Resolves when signals of other nodes are heard. */
  async open(): Promise<void> {
    const session = await this.#listen();
    this.#running = this.#keepListening(session);
  }

  send(topics: readonly string[]): void {
    for (const topic of topics) this.#gathered.add(topic);
    if (!this.#sending) void this.#sendGathered();
  }

  /** Listens on a new connection; what may have been missed meanwhile is signalled. */
  leave(why: string): void {
    this.#session?.destroy(why);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.leave('the store is closed');
    await this.#running;
  }

  async #listen(): Promise<PostgresSession> {
    const session = await this.#options.connect();
    session.onNotification((payload) => this.#hear(payload));
    try {
      await Promise.all([session.run(hurry), session.run(listenStatement)]);
    } catch (error) {
      session.destroy('it does not listen');
      throw error;
    }
    this.#session = session;
    this.#probe(session);
    return session;
  }

  /** The session ends itself when no answer comes. */
  #probe(session: PostgresSession): void {
    const later = (): Timer =>
      this.#options.clock.after(probeIntervalMs, () => {
        session.run(probe).then(
          () => {
            timer = later();
          },
          () => session.destroy('it does not answer'),
        );
      });
    let timer = later();
    void session.ended.then(() => timer.cancel());
  }

  async #keepListening(first: PostgresSession): Promise<void> {
    const { clock, log, topics } = this.#options;
    await first.ended;
    for (let delayMs = firstDelayMs; !this.#closed; delayMs = Math.min(2 * delayMs, delayMsMax)) {
      try {
        const session = await this.#listen();
        topics.signalAll();
        delayMs = firstDelayMs;
        if (this.#closed) session.destroy('the store is closed');
        await session.ended;
      } catch (error) {
        log.warn({ err: error }, 'signals of other nodes are not heard; changes are seen by polling');
        if (!this.#closed) await clock.sleep(delayMs);
      }
    }
  }

  #hear(payload: string): void {
    const [sender, ...topics] = payload.split('\n');
    if (sender === this.#options.sender) return;
    if (topics[0] === everything) this.#options.topics.signalAll();
    else this.#options.topics.signal(topics);
  }

  async #sendGathered(): Promise<void> {
    this.#sending = true;
    try {
      // Signals of one turn go together.
      await this.#options.clock.nextTurn();
      while (this.#gathered.size > 0 && this.#session?.isLost === false) {
        const payloads = packTopics(this.#options.sender, this.#gathered);
        this.#gathered.clear();
        const session = this.#session;
        await Promise.all(payloads.map((payload) => session.run(notifyStatement, [payload])));
      }
    } catch (error) {
      if (!this.#closed) this.#options.log.debug({ err: error }, 'signals were lost');
    } finally {
      this.#gathered.clear();
      this.#sending = false;
    }
  }
}

/** The sender and topics, one a line, in as few payloads as they fit into. */
export function packTopics(sender: string, topics: Iterable<string>): string[] {
  const payloads: string[] = [];
  let payload = sender;
  let bytes = sender.length;
  for (const topic of topics) {
    const topicBytes = 1 + Buffer.byteLength(topic);
    const isOdd =
      topic.includes('\n') || topic === everything || topicBytes + sender.length > payloadBytesMax;
    if (isOdd || payloads.length >= payloadsMax) return [`${sender}\n${everything}`];
    if (bytes + topicBytes > payloadBytesMax) {
      payloads.push(payload);
      payload = sender;
      bytes = sender.length;
    }
    payload += `\n${topic}`;
    bytes += topicBytes;
  }
  payloads.push(payload);
  return payloads;
}
