// Mail that the demonstration sends by itself, a message a second through the balancer, and looks for afterwards: what was
// acknowledged has to be in the mailbox. A message whose connection broke is sent again with the same number, as mail
// programs do; it may then be there twice, so messages are counted by their numbers.
// Never fails: an attempt that does is counted and tried again.

import { createTransport, type Transporter } from 'nodemailer';
import { systemClock } from '../src/base/clock.ts';
import { nodePorts } from './demo-node.ts';
import { type DemoSite, domain } from './demo-site.ts';

const intervalMs = 1_000;
const retryMs = 100;
/** Above the time in which a dead node's accounts get another host. */
const answerMs = 40_000;

export class DemoProbe {
  acknowledged = 0;
  /** Broken connections and refusals "for now". */
  failed = 0;
  /** From the first attempt of a message to its acknowledgement. */
  lastMs = 0;
  longestMs = 0;
  readonly #site: DemoSite;
  readonly #transport: Transporter;
  #isOver = false;
  #ended: Promise<void> | undefined;

  constructor(site: DemoSite) {
    this.#site = site;
    this.#transport = createTransport({
      host: site.address,
      port: nodePorts.submission,
      requireTLS: true,
      // The nodes' certificates are self-signed.
      tls: { rejectUnauthorized: false, servername: 'localhost' },
      auth: { user: `probe@${domain}`, pass: site.passwords.probe },
      connectionTimeout: answerMs,
      greetingTimeout: answerMs,
      socketTimeout: answerMs,
    });
  }

  start(): void {
    this.#ended = this.#run();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    this.#transport.close();
    await this.#ended;
  }

  /** Messages in the mailbox, as the node that hosts it says; undefined: no node could tell. */
  async found(): Promise<number | undefined> {
    const path = `/api/accounts/${encodeURIComponent(`probe@${domain}`)}/mailboxes`;
    const node = this.#site.nodes.find(({ pid }) => pid !== undefined);
    try {
      const late = systemClock.sleep(intervalMs).then(() => undefined);
      const asked = node?.admin.call<{ items: { name: string; messages: number }[] }>({ path });
      const answer = await Promise.race([asked, late]);
      return answer?.items.find(({ name }) => name === 'INBOX')?.messages;
    } catch {
      return undefined;
    }
  }

  async #run(): Promise<void> {
    for (let number = 1; !this.#isOver; number++) {
      const began = systemClock.monotonic();
      while (!this.#isOver && !(await this.#send(number))) {
        this.failed++;
        await systemClock.sleep(retryMs);
      }
      if (this.#isOver) return;
      this.acknowledged++;
      this.lastMs = systemClock.monotonic() - began;
      this.longestMs = Math.max(this.longestMs, this.lastMs);
      await systemClock.sleep(Math.max(0, intervalMs - this.lastMs));
    }
  }

  async #send(number: number): Promise<boolean> {
    const address = `probe@${domain}`;
    try {
      await this.#transport.sendMail({
        from: address,
        to: address,
        subject: `probe ${number}`,
        messageId: `<probe-${number}@${domain}>`,
        text: 'Sent by the demonstration through the balancer.\n',
      });
      return true;
    } catch {
      return false;
    }
  }
}
