// Stands between an engine and its PostgreSQL: loses answers, lets connections carry nothing any more, and writes down what was
// asked in which round trips. What it carries is never changed. Reads the messages of the protocol, so without TLS.

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A request, by its statement; `isTrip`: it was sent when nothing was awaited on its connection. */
export interface Asked {
  readonly statement: string;
  readonly isTrip: boolean;
}

export type Way = 'requests' | 'answers';

class Carried {
  readonly near: Socket;
  readonly far: Socket;
  /** Requests whose answers have not come; the first one is to be let in. */
  awaited = 1;
  statement = '';
  isHeld = false;
  /** Answers that came while it was held. */
  kept: Buffer[] = [];
  readonly toServer: Messages;
  readonly toClient: Messages;

  constructor(near: Socket, far: Socket, asked: (statement: string, isTrip: boolean) => void) {
    this.near = near;
    this.far = far;
    // What opens a connection has no type.
    this.toServer = new Messages(true, (type, body) => {
      // Bind: the portal, the statement. A simple query is a request of its own.
      if (type === 'B') this.statement = body.toString('latin1', 1, body.indexOf(0, 1));
      if (type !== 'S' && type !== 'Q') return;
      asked(type === 'Q' ? 'query' : this.statement, this.awaited === 0);
      this.awaited++;
    });
    this.toClient = new Messages(false, (type) => {
      if (type === 'Z') this.awaited--;
    });
  }
}

/** Cuts one direction into messages. */
class Messages {
  #rest = Buffer.alloc(0);
  #isFirst: boolean;
  readonly #onMessage: (type: string, body: Buffer) => void;

  constructor(beginsWithout: boolean, onMessage: (type: string, body: Buffer) => void) {
    this.#isFirst = beginsWithout;
    this.#onMessage = onMessage;
  }

  add(piece: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, piece]);
    for (;;) {
      const head = this.#isFirst ? 0 : 1;
      if (this.#rest.length < head + 4) return;
      const end = head + this.#rest.readUInt32BE(head);
      if (this.#rest.length < end) return;
      if (!this.#isFirst)
        this.#onMessage(String.fromCharCode(this.#rest[0]!), this.#rest.subarray(head + 4, end));
      this.#rest = this.#rest.subarray(end);
      this.#isFirst = false;
    }
  }
}

export class PostgresRelay implements AsyncDisposable {
  /** In their order. */
  asked: Asked[] = [];
  readonly #server: Server;
  readonly #target: number;
  readonly #carried = new Set<Carried>();
  /** Of the next answers, until it says that it has met the one it waited for. */
  #onAnswer: ((carried: Carried) => boolean) | undefined;
  #onAsked: ((carried: Carried, statement: string) => void) | undefined;
  #isAway = false;

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.#target = target;
    server.on('connection', (near) => this.#join(near));
  }

  static async open(target: number): Promise<PostgresRelay> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new PostgresRelay(server, target);
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** The same database through this. */
  url(direct: string): string {
    return direct.replace(/:\d+\//, `:${this.port}/`);
  }

  /** The next answer, to a commit or a read, is thrown away and its connection closed. Resolves then. */
  loseNextAnswer(): Promise<void> {
    return new Promise((resolve) => {
      this.#onAnswer = ({ near }) => {
        near.destroy();
        resolve();
        return true;
      };
    });
  }

  goAwayAtNextAnswer(): void {
    this.#onAnswer = () => {
      this.#isAway = true;
      for (const { near, far } of this.#carried) for (const socket of [near, far]) socket.destroy();
      return true;
    };
  }

  comeBack(): void {
    this.#isAway = false;
  }

  /** How many connections it carries. */
  get connections(): number {
    return this.#carried.size;
  }

  /** How many of them carry nothing: who opened them has not closed them. */
  get held(): number {
    return [...this.#carried].filter(({ isHeld }) => isHeld).length;
  }

  /** All connections there are carry nothing any more, as when a firewall forgets them; new ones do. */
  holdAll(): void {
    for (const carried of this.#carried) carried.isHeld = true;
  }

  /** Every connection that asks this carries nothing from then on, until it is let go. */
  holdAlwaysAt(statement: string): void {
    this.#onAsked = (carried, asked) => {
      if (asked === statement) carried.isHeld = true;
    };
  }

  /** What was held back of answers comes after all. */
  letGo(): void {
    this.#onAsked = undefined;
    for (const carried of this.#carried) {
      carried.isHeld = false;
      for (const bytes of carried.kept) carried.near.write(bytes);
      carried.kept = [];
    }
  }

  /**
   * The connection that asks this next carries nothing any more, and nobody is told: from that request on, or from its answer
   * on. Resolves then.
   */
  holdAt(statement: string, way: Way): Promise<void> {
    return new Promise((resolve) => {
      this.#onAsked = (carried, asked) => {
        if (asked !== statement) return;
        this.#onAsked = undefined;
        const hold = (): boolean => {
          carried.isHeld = true;
          resolve();
          return true;
        };
        if (way === 'requests') hold();
        else this.#onAnswer = (answered) => answered === carried && hold();
      };
    });
  }

  #join(near: Socket): void {
    const far = connect(this.#target, '127.0.0.1');
    const carried = new Carried(near, far, (statement, isTrip) => {
      this.asked.push({ statement, isTrip });
      this.#onAsked?.(carried, statement);
    });
    this.#carried.add(carried);
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#carried.delete(carried);
        near.destroy();
        far.destroy();
      });
    }
    if (this.#isAway) near.destroy();
    near.on('data', (bytes: Buffer) => {
      if (!carried.isHeld) carried.toServer.add(bytes);
      if (!carried.isHeld) far.write(bytes);
    });
    far.on('data', (bytes: Buffer) => {
      if (this.#onAnswer?.(carried) === true) this.#onAnswer = undefined;
      if (carried.isHeld) carried.kept.push(bytes);
      if (near.destroyed || carried.isHeld) return;
      carried.toClient.add(bytes);
      near.write(bytes);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { near, far } of this.#carried) for (const socket of [near, far]) socket.destroy();
    this.#server.close();
  }
}
