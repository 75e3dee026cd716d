// The command line's way to a running server: the admin API over the socket in the data directory, or over HTTP(S) with a
// bearer token. Every failure becomes a CommandFailure that says what to do next.

import { readdirSync } from 'node:fs';
import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { basename, join, resolve } from 'node:path';
import { boundedBody } from '../base/bounded-body.ts';
import { adminSocket } from './data-sockets.ts';
import { CommandFailure, exitCodes, TemporaryFailure } from './exit-codes.ts';
import { isWorkerName } from './workers/worker-messages.ts';

export interface ServerPlace {
  /** The server's data directory: its admin socket is there. */
  readonly data: string;
  /** That of one of its workers; default: the server's. */
  readonly socket?: string;
  /** http(s)://host:port; then `token` is needed. */
  readonly server?: string;
  readonly token?: string;
  /** Another node of its cluster answers, through it. */
  readonly node?: string;
}

export interface AdminRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Record<string, string | number | undefined>;
  /** Sent as JSON, or as message/rfc822 when it is bytes. */
  readonly body?: unknown;
}

/** The commands send one request at a time. */
const connectionsMax = 2;
/** An answer in JSON is a page at the most. */
const answerBytesMax = 64 * 1024 * 1024;

export class AdminClient {
  readonly #place: ServerPlace;
  readonly #agent: HttpAgent | HttpsAgent;

  constructor(place: ServerPlace) {
    this.#place = place;
    const options = { keepAlive: true, maxSockets: connectionsMax };
    this.#agent =
      place.server?.startsWith('https:') === true ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /** The machine's other workers; none when the server is asked from elsewhere. To be closed by the caller. */
  otherWorkers(): AdminClient[] {
    const { data, server, node } = this.#place;
    if (server !== undefined || node !== undefined) return [];
    return readdirSync(data)
      .filter((name) => isWorkerName(basename(name, `.${adminSocket}`)))
      .map((socket) => new AdminClient({ data, socket }));
  }

  /** JSON in, JSON out; undefined for an empty answer. */
  async call<T>(request: AdminRequest): Promise<T> {
    const response = await this.open(request);
    const text = (await bytesOf(response)).toString('utf8');
    return (text === '' || text === 'null' ? undefined : JSON.parse(text)) as T;
  }

  async download(request: AdminRequest): Promise<Buffer> {
    return bytesOf(await this.open(request));
  }

  /** All pages of a listing. */
  async *items<T>(path: string, query: AdminRequest['query'] = {}): AsyncGenerator<T> {
    let after: string | undefined;
    do {
      const page = await this.call<{ items: T[]; next?: string }>({ path, query: { ...query, after } });
      yield* page.items;
      after = page.next;
    } while (after !== undefined);
  }

  /** The raw answer, once its status says success. */
  async open(request: AdminRequest): Promise<IncomingMessage> {
    const response = await this.#send(request);
    if ((response.statusCode ?? 500) < 300) return response;
    const text = (await bytesOf(response)).toString('utf8');
    throw failureOf(response.statusCode ?? 500, text);
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(request: AdminRequest): Promise<IncomingMessage> {
    const isBytes = request.body instanceof Uint8Array;
    const body =
      request.body === undefined
        ? undefined
        : isBytes
          ? (request.body as Uint8Array)
          : JSON.stringify(request.body);
    const headers: Record<string, string> = {};
    if (body !== undefined) headers['content-type'] = isBytes ? 'message/rfc822' : 'application/json';
    if (this.#place.token !== undefined) headers.authorization = `Bearer ${this.#place.token}`;
    const options: RequestOptions = { method: request.method ?? 'GET', agent: this.#agent, headers };
    return new Promise((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => reject(this.#unreachable(error));
      const sent =
        this.#place.server === undefined ? this.#toSocket(request, options) : this.#toUrl(request, options);
      sent.once('response', resolve).once('error', onError).end(body);
    });
  }

  #toSocket(request: AdminRequest, options: RequestOptions): ReturnType<typeof httpRequest> {
    const socketPath = socketPathOf(this.#place);
    return httpRequest({ ...options, socketPath, path: this.#path(request) });
  }

  #toUrl(request: AdminRequest, options: RequestOptions): ReturnType<typeof httpRequest> {
    let url: URL;
    try {
      url = new URL(this.#path(request), this.#place.server);
    } catch {
      throw new CommandFailure(
        `--server ${this.#place.server} is not a URL; expected http://HOST:PORT`,
        exitCodes.usage,
      );
    }
    return (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options);
  }

  #path(request: AdminRequest): string {
    const { node } = this.#place;
    const path = pathWith(request);
    return node === undefined ? path : path.replace(/^\/api\//, `/api/nodes/${encodeURIComponent(node)}/`);
  }

  #unreachable(error: NodeJS.ErrnoException): CommandFailure {
    const place = this.#place.server ?? socketPathOf(this.#place);
    const isLocal = this.#place.server === undefined;
    const isForbidden = isLocal && error.code === 'EACCES';
    const way = isForbidden
      ? 'only the user who runs it (and root) may: become that user, or use --server URL --token TOKEN'
      : isLocal
        ? `is it running? Start it with \`rookery serve --data ${this.#place.data}\`, or name another place with --data DIR or --server URL --token TOKEN`
        : 'is it running, and does listen.admin name this address?';
    return new CommandFailure(
      `cannot reach the server at ${place} (${error.code ?? error.message}): ${way}`,
      exitCodes.unreachable,
    );
  }
}

function socketPathOf({ data, socket = adminSocket }: ServerPlace): string {
  return join(resolve(data), socket);
}

function pathWith(request: AdminRequest): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(request.query ?? {}))
    if (value !== undefined) query.set(key, String(value));
  const text = query.toString();
  return text === '' ? request.path : `${request.path}?${text}`;
}

async function bytesOf(response: IncomingMessage): Promise<Buffer> {
  const bytes = await boundedBody(response, answerBytesMax).catch(() => {
    throw new CommandFailure(
      'the answer of the server broke off: what was asked for may have been done; see its log',
      exitCodes.unreachable,
    );
  });
  if (bytes === undefined) throw new CommandFailure('the server answered more than was to be expected');
  return bytes;
}

function failureOf(status: number, text: string): CommandFailure {
  let detail = text;
  try {
    detail = (JSON.parse(text) as { detail?: string }).detail ?? text;
  } catch {
    // not problem+json: something else answers at that address; its text is all there is to show
  }
  if (status === 503) return new TemporaryFailure(detail);
  const code = status === 404 ? exitCodes.notFound : exitCodes.failure;
  return new CommandFailure(status === 401 ? `${detail} (--token TOKEN or ROOKERY_TOKEN)` : detail, code);
}
