// An IMAP client for tests that read as transcripts: `await a.send('CREATE inbox').no('ALREADYEXISTS')`. It judges nothing
// but the tagged answer; what came before it is in the Answer. Lines are latin1, literals stay in their line.

import assert from 'node:assert/strict';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { password } from './harness.ts';

export interface Answer {
  /** Without line ends; a literal as `{3}\r\nabc`. */
  readonly untagged: readonly string[];
  readonly status: string;
  /** Response code without brackets. */
  readonly code: string | undefined;
  readonly text: string;
}

/** A command that was sent. Ask once how it ended. */
export class Sent {
  readonly #answer: Promise<Answer>;
  readonly #command: string;

  constructor(answer: Promise<Answer>, command: string) {
    this.#answer = answer;
    this.#command = command;
  }

  ok(code?: string | RegExp): Promise<Answer> {
    return this.#ends('OK', code);
  }

  no(code?: string | RegExp): Promise<Answer> {
    return this.#ends('NO', code);
  }

  bad(code?: string | RegExp): Promise<Answer> {
    return this.#ends('BAD', code);
  }

  /** OK with exactly these untagged responses. */
  async tells(...untagged: readonly string[]): Promise<Answer> {
    const answer = await this.ok();
    assert.deepEqual(answer.untagged, untagged, this.#command);
    return answer;
  }

  /** However it ended. */
  ended(): Promise<Answer> {
    return this.#answer;
  }

  async #ends(status: string, code: string | RegExp | undefined): Promise<Answer> {
    const answer = await this.#answer;
    const told = `${this.#command} → ${answer.status} [${answer.code}] ${answer.text}\n${answer.untagged.join('\n')}`;
    assert.equal(answer.status, status, told);
    if (typeof code === 'string') assert.equal(answer.code, code, told);
    if (code instanceof RegExp) assert.match(answer.code ?? '', code, told);
    return answer;
  }
}

export class ImapClient {
  readonly socket: TestClient;
  greeting = '';
  #tag = 0;
  /** Answers are read one after another, in the order of the commands. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(socket: TestClient) {
    this.socket = socket;
  }

  static async connect(port: number, tls = false): Promise<ImapClient> {
    const client = new ImapClient(await (tls ? TestClient.connectTls(port) : TestClient.connect(port)));
    client.greeting = (await client.line()) ?? '';
    return client;
  }

  /** Connected and logged in as `name@example.test`, with INBOX or another mailbox selected when named. */
  static async login(port: number, name: string, mailbox?: string): Promise<ImapClient> {
    const client = await ImapClient.connect(port);
    await client.send(`LOGIN ${name}@example.test "${password}"`).ok();
    if (mailbox !== undefined) await client.send(`SELECT "${mailbox}"`).ok();
    return client;
  }

  /** Sends a command with a tag of its own. Literals are in it as they go over the wire, `{n+}`. */
  send(command: string): Sent {
    return this.expect(this.write(command), command);
  }

  /** Sends a command without reading; its tag is for `expect`. Lines in between are read by `line`. */
  write(command: string): string {
    this.#tag++;
    const tag = `t${this.#tag}`;
    this.socket.write(`${tag} ${command}\r\n`);
    return tag;
  }

  /** Begins to idle; the function ends it. Pushed lines are read by `line`. */
  async idle(): Promise<() => Sent> {
    const tag = this.write('IDLE');
    assert.equal(await this.line(), '+ idling');
    return () => {
      this.socket.send('DONE');
      return this.expect(tag, 'IDLE');
    };
  }

  /** The answer to a tag whose command was written by hand. */
  expect(tag: string, command = tag): Sent {
    const answer = this.#last.then(() => this.#readAnswer(tag));
    this.#last = answer.catch(() => {});
    return new Sent(answer, command);
  }

  append(mailbox: string, message: string, options = ''): Sent {
    const bytes = Buffer.byteLength(message, 'latin1');
    return this.send(`APPEND "${mailbox}" ${options === '' ? '' : `${options} `}{${bytes}+}\r\n${message}`);
  }

  /** The next response, literals included; undefined at the end. */
  async line(): Promise<string | undefined> {
    let line = await this.socket.line();
    for (let literal = literalBytes(line); literal !== undefined; literal = literalBytes(line)) {
      const bytes = await this.socket.bytes(literal);
      line = `${line}\r\n${bytes.toString('latin1')}${await this.socket.line()}`;
    }
    return line;
  }

  /** A command to which the server's last words are the answer. */
  async saysGoodbye(): Promise<string | undefined> {
    this.write('NOOP');
    let last: string | undefined;
    for (let line = await this.line(); line !== undefined; line = await this.line()) last = line;
    return last;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  async #readAnswer(tag: string): Promise<Answer> {
    const untagged: string[] = [];
    for (;;) {
      const line = await this.line();
      if (line === undefined) throw new Error(`the server ended the connection\n${untagged.join('\n')}`);
      if (!line.startsWith(`${tag} `)) {
        untagged.push(line);
        continue;
      }
      const match = /^[^ ]+ ([A-Z]+) (?:\[([^\]]*)\] )?(.*)$/s.exec(line);
      assert(match !== null, `not a tagged answer: ${line}`);
      return { untagged, status: match[1]!, code: match[2], text: match[3]! };
    }
  }
}

function literalBytes(line: string | undefined): number | undefined {
  const match = line === undefined ? null : /\{(\d+)\}$/.exec(line);
  return match === null ? undefined : Number(match[1]);
}

/** A small message with this subject. */
export function mail(subject: string, body = 'Hello\r\n'): string {
  return (
    'From: Alice <alice@example.test>\r\nTo: bob@example.test\r\n' +
    `Subject: ${subject}\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\nMessage-ID: <${subject}@example.test>\r\n\r\n${body}`
  );
}
