// One accepted message: envelope and bytes come in, trace fields are added, the message is prepared once, and every
// recipient's copy is delivered. Invariants: what `accept` answers `sent` is durable; a message that went round more than
// `hopsMax` servers is bounced; two recipients that lead to the same account and mailbox get one copy.
// Faults become deferrals: the sender still has the message.

import { type DeliveryPorts, deliveriesThrough } from '../account/delivery.ts';
import type { AccountPorts } from '../account/port.ts';
import { prepareMessage } from '../account/prepare.ts';
import type { PreparedMessage } from '../account/prepared-message.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { Slicer } from '../base/slicer.ts';
import type { Address } from '../mail/address.ts';
import { formatDate } from '../mail/date.ts';
import { isMailError } from '../mail/mail-error.ts';
import { bounced, type DeliveryOutcome, deferred, sent, worstOutcome } from './delivery/delivery-outcome.ts';
import { LocalDelivery, type LocalTarget } from './delivery/local-delivery.ts';
import { authorRefusal, readAuthorship } from './message-author.ts';
import { type MessageHead, readMessageHead, scanHeader } from './message-head.ts';
import { PartialDeliveries } from './partial-deliveries.ts';
import { formatReceived, type MessageOrigin } from './trace-headers.ts';

export interface Recipient {
  /** As the client wrote it. */
  readonly address: string;
  readonly targets: readonly LocalTarget[];
}

/** Date and Message-ID are added when absent (RFC 6409 8), and From, without which it is no message (RFC 5322 3.6). */
export interface Submission {
  /** The user's own address. */
  readonly address: string;
  /** Whose the author of the message may be; undefined: anybody. */
  readonly maySendAs: ((address: Address) => Promise<boolean>) | undefined;
}

export interface IncomingMessage {
  /** Unique for ever: the session's and a number. */
  readonly traceId: string;
  readonly log: Logger;
  readonly origin: MessageOrigin;
  /** The reverse path; '' is the null sender. */
  readonly sender: string;
  /** At least one. */
  readonly recipients: readonly Recipient[];
  /** The message as it came. */
  readonly pieces: readonly Buffer[];
  readonly length: number;
  /** No line of it ends with an LF alone. */
  readonly isCrlf: boolean;
  /** Of our user. */
  readonly submission: Submission | undefined;
  /** The sender hears one answer for all recipients (SMTP, not LMTP). */
  readonly oneAnswer: boolean;
}

export interface IntakeOptions {
  readonly accounts: AccountPorts;
  /** The way of deliveries, where it is not that of sessions. */
  readonly deliveries?: DeliveryPorts | undefined;
  /** Our name in Received and Message-ID. */
  readonly hostname: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Received fields that make a loop; RFC 5321 6.3 asks for at least 100. */
  readonly hopsMax?: number;
}

const hopsMaxDefault = 100;
/**
 * Copying so much takes about a millisecond; larger messages are copied in steps, and one after the other: slices of
 * many large ones in one turn of the event loop would add up.
 */
const copyBytesAtOnce = 4 * 1024 * 1024;

export class Intake {
  readonly #options: IntakeOptions;
  readonly #delivery: LocalDelivery;
  readonly #partial = new PartialDeliveries();
  readonly #hopsMax: number;
  #largeMessages: Promise<void> = Promise.resolve();
  #dateSecond = Number.NaN;
  #dateText = '';

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#delivery = new LocalDelivery(options.deliveries ?? deliveriesThrough(options.accounts));
    this.#hopsMax = options.hopsMax ?? hopsMaxDefault;
  }

  /** Outcomes in the order of the recipients. Does not throw. */
  async accept(message: IncomingMessage): Promise<DeliveryOutcome[]> {
    try {
      const header = scanHeader(message.pieces);
      const head = readMessageHead(header);
      if (head.receivedCount > this.#hopsMax) return message.recipients.map(() => bounced('loop'));
      const { submission } = message;
      if (submission?.maySendAs !== undefined) {
        const refused = await authorRefusal(readAuthorship(header), submission.maySendAs);
        if (refused !== undefined) return message.recipients.map(() => bounced(refused));
      }
      const prepared = await this.#prepare(message, this.#fields(message, head));
      return await this.#deliver(message, prepared, head);
    } catch (error) {
      message.log.error({ err: error, message: message.traceId }, 'message not taken');
      const outcome = isMailError(error, 'messageTooLarge')
        ? bounced('messageTooLarge')
        : deferred('unavailable');
      return message.recipients.map(() => outcome);
    }
  }

  async #deliver(
    message: IncomingMessage,
    prepared: PreparedMessage,
    head: MessageHead,
  ): Promise<DeliveryOutcome[]> {
    const { recipients } = message;
    const only = recipients[0]!;
    if (recipients.length === 1 && only.targets.length === 1 && this.#partial.empty) {
      if (this.#isLoop(only.targets[0]!, head)) return [bounced('loop')];
      return await this.#delivery.deliver(prepared, only.targets, message);
    }
    return await this.#deliverToSeveral(message, prepared, head);
  }

  async #deliverToSeveral(
    message: IncomingMessage,
    prepared: PreparedMessage,
    head: MessageHead,
  ): Promise<DeliveryOutcome[]> {
    // Hashing costs more than the rest of a small message: nearly always none is remembered.
    const key = message.oneAnswer && !this.#partial.empty ? this.#partial.key(message) : undefined;
    const before = key === undefined ? undefined : this.#partial.delivered(key);
    const targets = new Map<string, LocalTarget>();
    const outcomes = new Map<string, DeliveryOutcome>();
    for (const recipient of message.recipients) {
      for (const target of recipient.targets) {
        const place = placeOf(target);
        if (this.#isLoop(target, head)) outcomes.set(place, bounced('loop'));
        else if (before?.has(place) === true) outcomes.set(place, sent);
        else targets.set(place, target);
      }
    }
    const places = [...targets.keys()];
    const delivered = await this.#delivery.deliver(prepared, [...targets.values()], message);
    for (let index = 0; index < places.length; index++) outcomes.set(places[index]!, delivered[index]!);
    if (message.oneAnswer && worstOutcome([...outcomes.values()]).outcome === 'deferred') {
      const done = places.filter((_, index) => delivered[index]!.outcome === 'sent');
      if (done.length > 0) this.#partial.remember(key ?? this.#partial.key(message), new Set(done));
    } else if (key !== undefined) this.#partial.forget(key);
    return message.recipients.map(({ targets }) =>
      worstOutcome(targets.map((target) => outcomes.get(placeOf(target)) ?? deferred('unavailable'))),
    );
  }

  /** The message as it is stored: our fields, then what came, copied once. */
  #prepare({ pieces, length, isCrlf }: IncomingMessage, fields: string): Promise<PreparedMessage> {
    const bytesTotal = Buffer.byteLength(fields) + length;
    const options = { clock: this.#options.clock, isCrlf };
    if (bytesTotal <= copyBytesAtOnce) {
      const bytes = Buffer.allocUnsafe(bytesTotal);
      let position = bytes.write(fields);
      for (const piece of pieces) position += piece.copy(bytes, position);
      return prepareMessage(bytes, options);
    }
    const turn = this.#largeMessages.then(async () => {
      return await prepareMessage(await this.#copyInSteps(fields, pieces, bytesTotal), options);
    });
    // The next one waits for this one's end, not for its success.
    this.#largeMessages = turn.then(noResult, noResult);
    return turn;
  }

  /**
   * We delivered this very message to this address before, and somebody sends it back to us. Delivered-To alone is not
   * enough: mail fetched from another server for the same address has it too.
   */
  #isLoop(target: LocalTarget, { deliveredTo, receivedBy }: MessageHead): boolean {
    if (deliveredTo.length === 0 || !deliveredTo.includes(target.address.toLowerCase())) return false;
    return receivedBy.includes(this.#options.hostname.toLowerCase());
  }

  async #copyInSteps(fields: string, pieces: readonly Buffer[], bytesTotal: number): Promise<Buffer> {
    const slicer = new Slicer(this.#options.clock);
    const bytes = Buffer.allocUnsafeSlow(bytesTotal);
    let position = bytes.write(fields);
    for (const piece of pieces) {
      position += piece.copy(bytes, position);
      if (slicer.due()) await slicer.rest();
    }
    return bytes;
  }

  /** Kept for its second, in which thousands of messages may come. */
  #date(): string {
    const second = Math.floor(this.#options.clock.now() / 1000);
    if (second !== this.#dateSecond) {
      this.#dateSecond = second;
      this.#dateText = formatDate(second);
    }
    return this.#dateText;
  }

  #fields(message: IncomingMessage, head: MessageHead): string {
    const { hostname, random } = this.#options;
    const date = this.#date();
    const only = message.recipients.length === 1 ? message.recipients[0]! : undefined;
    let fields = `Return-Path: <${message.sender}>\r\n`;
    // With several copies of one message, the field would tell each who the others are.
    const onlyTarget = only?.targets.length === 1 ? only.targets[0] : undefined;
    if (onlyTarget !== undefined) fields += `Delivered-To: ${onlyTarget.address}\r\n`;
    const { origin, traceId } = message;
    fields += formatReceived({ origin, hostname, traceId, recipient: only?.address, date });
    const { submission } = message;
    if (submission !== undefined && !head.hasFrom) fields += `From: ${submission.address}\r\n`;
    if (submission !== undefined && !head.hasDate) fields += `Date: ${date}\r\n`;
    if (submission !== undefined && !head.hasMessageId) {
      fields += `Message-ID: <${random.identifier(24)}@${hostname}>\r\n`;
    }
    if (!head.hasHeader) fields += '\r\n';
    return fields;
  }
}

const noResult = (): void => {};

function placeOf(target: LocalTarget): string {
  return `${target.accountId}/${target.detail ?? ''}`;
}
