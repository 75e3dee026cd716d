// Bearer tokens of the admin API: rookery_<id>_<256 random bits>, shown once, stored as SHA-256. A token has scopes, may be for
// one domain, and may expire. Invariant: `verify` says undefined for unknown, wrong, expired and revoked alike; a revoked token
// is refused as soon as `revoke` returns (other processes of a cell: when the engine's signal came, 30 s at the latest).

import { hash, timingSafeEqual } from 'node:crypto';
import { MailError } from '../mail/mail-error.ts';
import type { Bytes } from '../storage/engine.ts';
import type { PageOf, PageRequest } from './directory.ts';
import { decodeRow, keys, put } from './rows.ts';
import { nameCharactersMax, pageItemsMax } from './settings.ts';
import { DirectoryStore, type StoreOptions, unchanged } from './store.ts';

export const tokenScopes = ['read', 'write:directory', 'write:accounts', 'operate', 'metrics'] as const;
export type TokenScope = (typeof tokenScopes)[number];
/** What makes sense within one domain. */
const domainScopes: readonly TokenScope[] = ['read', 'write:directory', 'write:accounts'];

export interface ApiToken {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly TokenScope[];
  /** Seconds since 1970 UTC. */
  readonly createdAt: number;
  /** Undefined: never. */
  readonly expiresAt: number | undefined;
  /** The only one whose accounts and aliases it reaches; undefined: all. */
  readonly domain: string | undefined;
}

interface NewToken {
  readonly name: string;
  readonly scopes: readonly TokenScope[];
  readonly expiresAt?: number | undefined;
  readonly domain?: string | undefined;
}

interface StoredToken extends Omit<ApiToken, 'domain'> {
  /** Its own scopes, when it is for one domain: `scopes` is empty then, so that it is of no use to a node of before. */
  readonly within?: { readonly domain: string; readonly scopes: readonly TokenScope[] } | undefined;
  /** SHA-256 of the secret part, base64. */
  readonly digest: string;
}

export interface ApiTokens extends Disposable {
  /** `token` is what the client sends; it cannot be had again. Refuses with invalidArgument. */
  create(options: NewToken): Promise<ApiToken & { readonly token: string }>;
  list(page: PageRequest): Promise<PageOf<ApiToken>>;
  /** Refuses with invalidArgument when there is none. */
  revoke(id: string): Promise<void>;
  verify(token: string): Promise<ApiToken | undefined>;
}

const idLength = 12;
const secretBytes = 32;
const form = /^rookery_([a-z2-7]{12})_([A-Za-z0-9_-]{43})$/;

export function openApiTokens(options: StoreOptions): ApiTokens {
  const store = new DirectoryStore(options);
  const cached = store.cache(async (id) => {
    const bytes = await store.engine.get(keys.token(id));
    return bytes === undefined ? undefined : decodeToken(bytes);
  });
  return {
    create: (wanted) => create(store, wanted),
    async list(page) {
      const after = page.after === undefined ? undefined : keys.token(page.after);
      const { items, hasMore } = await store.list(keys.tokens(), { after, limit: page.limit }, decodeToken);
      return { items: items.map(shown), next: hasMore ? items.at(-1)?.id : undefined };
    },
    revoke: (id) => revoke(store, id),
    async verify(text) {
      const match = form.exec(text);
      if (match === null) return undefined;
      const token = await cached.get(match[1]!);
      if (token === undefined || !timingSafeEqual(digestOf(match[2]!), Buffer.from(token.digest, 'base64'))) {
        return undefined;
      }
      const isExpired = token.expiresAt !== undefined && token.expiresAt * 1000 <= store.clock.now();
      return isExpired ? undefined : shown(token);
    },
    [Symbol.dispose]: () => store[Symbol.dispose](),
  };
}

/** Every one: of those of a domain that is removed none may be left. */
export async function listAllTokens(tokens: Pick<ApiTokens, 'list'>): Promise<ApiToken[]> {
  const all: ApiToken[] = [];
  let after: string | undefined;
  do {
    const page = await tokens.list({ after, limit: pageItemsMax });
    all.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return all;
}

async function create(
  store: DirectoryStore,
  wanted: NewToken,
): Promise<ApiToken & { readonly token: string }> {
  check(wanted);
  const secret = store.random.bytes(secretBytes).toString('base64url');
  const { domain } = wanted;
  const scopes = [...new Set(wanted.scopes)];
  const stored: StoredToken = {
    id: store.random.identifier(idLength),
    name: wanted.name,
    scopes: domain === undefined ? scopes : [],
    within: domain === undefined ? undefined : { domain, scopes },
    createdAt: Math.floor(store.clock.now() / 1000),
    expiresAt: wanted.expiresAt,
    digest: digestOf(secret).toString('base64'),
  };
  await store.change(async () => {
    const key = keys.token(stored.id);
    const conditions = [{ key, expected: undefined }];
    return { batch: { conditions, puts: [put(key, 'token', stored)] }, result: undefined };
  });
  return { ...shown(stored), token: `rookery_${stored.id}_${secret}` };
}

async function revoke(store: DirectoryStore, id: string): Promise<void> {
  await store.change(async () => {
    const row = await store.row(keys.token(id), decodeToken);
    if (row.value === undefined) throw new MailError('noSuchAccount', `there is no token ${id}`);
    return { batch: { conditions: unchanged(row), deletes: [row.key] }, result: undefined };
  });
}

function digestOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}

function decodeToken(bytes: Bytes): StoredToken {
  const row = decodeRow<StoredToken>('token', bytes);
  const { id = '', name = '', scopes = [], within, createdAt = 0, expiresAt, digest = '' } = row;
  return { id, name, scopes, within, createdAt, expiresAt, digest };
}

function shown({ id, name, scopes, within, createdAt, expiresAt }: StoredToken): ApiToken {
  return { id, name, scopes: within?.scopes ?? scopes, createdAt, expiresAt, domain: within?.domain };
}

function check(wanted: NewToken): void {
  const isNamed = wanted.name.trim() !== '' && wanted.name.length <= nameCharactersMax;
  if (!isNamed) throw new MailError('invalidArgument', `the name has 1 to ${nameCharactersMax} characters`);
  const known = wanted.scopes.every((scope) => tokenScopes.includes(scope));
  if (!known || wanted.scopes.length === 0) {
    throw new MailError('invalidArgument', `scopes are one or more of ${tokenScopes.join(', ')}`);
  }
  if (wanted.domain !== undefined && !wanted.scopes.every((scope) => domainScopes.includes(scope)))
    throw new MailError(
      'invalidArgument',
      `a token for one domain has the scopes ${domainScopes.join(', ')}`,
    );
  if (wanted.expiresAt !== undefined && !Number.isSafeInteger(wanted.expiresAt)) {
    throw new MailError('invalidArgument', 'expiresAt is a time in whole seconds');
  }
}
