// The part of PostgreSQL's protocol (version 3.0) that a connection speaks once it is open: prepared statements with
// binary parameters and binary rows. `pg` opens the connection (TLS, SCRAM) and gives rows as text only; bytea as text
// is twice the bytes and a second pass over them, so from there on the messages are ours.
//
// Invariant: a request is one buffer of its exact size, so a commit costs one copy of its bytes. A server that breaks the
// protocol makes MessageReader throw; the session then ends the connection.
// https://www.postgresql.org/docs/current/protocol-message-formats.html

/** An array is bytea[]; undefined in it is NULL. A number is int4, a bigint int8. */
export type Parameter = Uint8Array | string | number | bigint | readonly Uint8Array[];

export interface Statement {
  /** Unique on a connection; the server keeps the plan under it. */
  readonly name: string;
  readonly text: string;
}

export type Row = readonly (Buffer | undefined)[];

const byteaOid = 17;
/** The dimensions, whether there are NULLs, the element type, and for one dimension its length and lower bound. */
const arrayHeaderBytes = 20;
const emptyArrayHeaderBytes = 12;

function parameterBytes(parameter: Parameter): number {
  if (typeof parameter === 'number') return 4;
  if (typeof parameter === 'bigint') return 8;
  if (typeof parameter === 'string') return Buffer.byteLength(parameter);
  if (parameter instanceof Uint8Array) return parameter.length;
  if (parameter.length === 0) return emptyArrayHeaderBytes;
  let bytes = arrayHeaderBytes + 4 * parameter.length;
  for (const element of parameter) bytes += element.length;
  return bytes;
}

function writeParameter(target: Buffer, at: number, parameter: Parameter): number {
  if (typeof parameter === 'number') return target.writeInt32BE(parameter, at);
  if (typeof parameter === 'bigint') return target.writeBigInt64BE(parameter, at);
  if (typeof parameter === 'string') return at + target.write(parameter, at);
  if (parameter instanceof Uint8Array) {
    target.set(parameter, at);
    return at + parameter.length;
  }
  let position = target.writeInt32BE(parameter.length === 0 ? 0 : 1, at);
  position = target.writeInt32BE(0, position);
  position = target.writeInt32BE(byteaOid, position);
  if (parameter.length === 0) return position;
  position = target.writeInt32BE(parameter.length, position);
  position = target.writeInt32BE(1, position);
  for (const element of parameter) {
    position = target.writeInt32BE(element.length, position);
    target.set(element, position);
    position += element.length;
  }
  return position;
}

/** Close and Parse: sent once for a statement on a connection, before its first use. Closing what is not there is no error. */
export function parseMessage({ name, text }: Statement): Buffer {
  return Buffer.concat([framed('C', `S${name}\0`), framed('P', `${name}\0${text}\0\0\0`)]);
}

function framed(type: string, text: string): Buffer {
  const message = Buffer.from(`${type}\0\0\0\0${text}`);
  message.writeInt32BE(message.length - 1, 1);
  return message;
}

// Execute the unnamed portal without a limit of rows; then Sync, which ends the statement's own transaction.
const executeAndSync = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0x53, 0, 0, 0, 4]);

/** Bind, Execute and Sync in one buffer: the statement is one transaction of its own unless one is open. */
export function requestMessage({ name }: Statement, parameters: readonly Parameter[]): Buffer {
  const sizes = parameters.map(parameterBytes);
  // The unnamed portal, the statement, one format for all parameters, the parameters, one format for all columns.
  let body = 1 + Buffer.byteLength(name) + 1 + 4 + 2 + 4;
  for (const size of sizes) body += 4 + size;
  const message = Buffer.allocUnsafe(5 + body + executeAndSync.length);
  message[0] = 0x42; // B
  let at = message.writeInt32BE(4 + body, 1);
  message[at++] = 0;
  at += message.write(name, at);
  message[at++] = 0;
  at = message.writeInt16BE(1, at);
  at = message.writeInt16BE(1, at);
  at = message.writeInt16BE(parameters.length, at);
  for (let index = 0; index < parameters.length; index++) {
    at = message.writeInt32BE(sizes[index]!, at);
    at = writeParameter(message, at, parameters[index]!);
  }
  at = message.writeInt16BE(1, at);
  at = message.writeInt16BE(1, at);
  executeAndSync.copy(message, at);
  return message;
}

export interface Message {
  /** The character that names its kind. */
  readonly type: string;
  readonly body: Buffer;
  /** Nothing else lies in the memory of `body`: it may be kept as it is. */
  readonly ownsMemory: boolean;
}

const nothing = Buffer.alloc(0);
/** A value is at most a gigabyte on the server; what claims more is no message of PostgreSQL's. */
const messageBytesMax = 1 << 30;

/** Cuts a stream of bytes into messages, whatever pieces it comes in. */
export class MessageReader {
  #rest = nothing;
  /** A message that spans pieces. */
  #long: { readonly type: string; readonly body: Buffer; filled: number } | undefined;

  /**
   * The messages that are complete with this piece, to be looked at one by one before the next piece: the memory of `piece` is somebody
   * else's then. Throws Error on what cannot be a message.
   */
  *add(piece: Buffer): Generator<Message> {
    let source = this.#long === undefined ? this.#join(piece) : this.#fill(piece);
    if (this.#long !== undefined) {
      const { type, body, filled } = this.#long;
      if (filled < body.length) return;
      this.#long = undefined;
      yield { type, body, ownsMemory: true };
    }
    while (source.length >= 5) {
      const length = source.readUInt32BE(1) - 4;
      if (length < 0 || length > messageBytesMax) throw new Error(`message of ${length} bytes`);
      const type = String.fromCharCode(source[0]!);
      if (source.length < 5 + length) {
        const body = Buffer.allocUnsafeSlow(length);
        this.#long = { type, body, filled: source.copy(body, 0, 5) };
        return;
      }
      yield { type, body: source.subarray(5, 5 + length), ownsMemory: false };
      source = source.subarray(5 + length);
    }
    // A few bytes of a header.
    this.#rest = source.length === 0 ? nothing : Buffer.from(source);
  }

  #join(piece: Buffer): Buffer {
    if (this.#rest.length === 0) return piece;
    const joined = Buffer.concat([this.#rest, piece]);
    this.#rest = nothing;
    return joined;
  }

  /** Returns what is behind the long message. */
  #fill(piece: Buffer): Buffer {
    const long = this.#long!;
    const copied = piece.copy(long.body, long.filled);
    long.filled += copied;
    return piece.subarray(copied);
  }
}

/** The columns of a DataRow, each the caller's to keep. */
export function readRow({ body, ownsMemory }: Message): Row {
  const columns: (Buffer | undefined)[] = [];
  let at = 2;
  for (let left = body.readUInt16BE(0); left > 0; left--) {
    const length = body.readInt32BE(at);
    at += 4;
    if (length < 0) {
      columns.push(undefined);
      continue;
    }
    if (at + length > body.length) throw new Error('a row is cut short');
    const view = body.subarray(at, at + length);
    columns.push(ownsMemory ? view : Buffer.from(view));
    at += length;
  }
  return columns;
}

/** The fields of an ErrorResponse or NoticeResponse by their one-letter names. */
export function readFields(body: Buffer): Map<string, string> {
  const fields = new Map<string, string>();
  let at = 0;
  while (at < body.length && body[at] !== 0) {
    const end = body.indexOf(0, at + 1);
    if (end < 0) break;
    fields.set(String.fromCharCode(body[at]!), body.toString('utf8', at + 1, end));
    at = end + 1;
  }
  return fields;
}

/** The payload of a NotificationResponse. */
export function readNotification(body: Buffer): string {
  const channelEnd = body.indexOf(0, 4);
  return body.toString('utf8', channelEnd + 1, body.length - 1);
}
