// The cluster's certificate authority, as rows in the engine: whoever has the engine can be it, so there is no node
// that must not fail. Makes join tokens, enrols nodes that bring one, renews enrolled nodes' certificates.
//
// Invariants: a use of a token and the enrolment it pays for are one commit, with conditions on both rows: a token with
// one use enrols one node. A name belongs to the key that enrolled it until an operator forgets it, so a token does
// not let anybody become a node that exists. A certificate is issued only after its enrolment is durable; who lost the
// answer asks again with the same key and gets it without paying twice. Of a name one key is accepted; from a renewal until the
// new key is first shown also the one that asked for it, whose owner may not have got the answer. From then on that one opens
// no link and renews nothing, so that who stole it, from a disk or a backup, has nothing. A key that was never shown goes when
// the one before asks again.
// Everything wrong with a token is the same refusal (authenticationFailed): nobody learns which tokens there are.

import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Random } from '../../base/random.ts';
import type { NodeId } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import type { Bytes, Engine } from '../../storage/engine.ts';
import type { NodeRole } from '../membership/cluster-rows.ts';
import {
  type Admission,
  type AuthorityRow,
  authorityEntry,
  authorityKey,
  decodeAuthority,
  decodeEnrolled,
  decodeToken,
  type EnrolledNode,
  enrolledEntry,
  enrolledKey,
  enrolledRange,
  type JoinTokenRow,
  tokenEntry,
  tokenKey,
  tokenRange,
} from './authority-rows.ts';
import {
  fingerprintOf,
  issueCertificate,
  keyDigest,
  keyOfRequest,
  makeAuthority,
  nodeCertificateDays,
} from './certificates.ts';
import {
  clusterIdLength,
  formatJoinToken,
  isSecretOf,
  type JoinToken,
  secretDigest,
  tokenIdLength,
  tokenSecretLength,
} from './join-token.ts';
import { parseNodeName } from './node-name.ts';

export interface AuthorityOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
}

export interface JoinTokenOptions extends Admission {
  readonly expiresMs: number;
  /** How many nodes may join with it. */
  readonly uses: number;
}

/** A token without its secret: for listings. */
export type JoinTokenInfo = Omit<JoinTokenRow, 'digest'>;

/** What a node gets when it is enrolled or renewed. */
export interface Certified extends Admission {
  readonly cluster: string;
  readonly certificate: string;
  readonly authorities: readonly string[];
}

/** Who asks for a renewal, as its present certificate says. */
export interface PresentCertificate {
  readonly node: NodeId;
  readonly publicKeyDigest: string;
}

/** The zone whose nodes face the Internet: they hold no mail and get no database settings. */
export const outerZone = 'outer';

/** Contention is between a few operators and joining nodes. */
const attemptsMax = 20;
const tokensMax = 1_000;
const nodesMax = 10_000;
const expiresMsMax = 30 * 86_400_000;
const usesMax = 1_000;
const zoneForm = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;

/** Makes the authority of a new cluster. Refuses with conflict when the store belongs to a cluster already. */
export async function createAuthority(options: AuthorityOptions): Promise<ClusterAuthority> {
  const cluster = options.random.identifier(clusterIdLength);
  const row = { cluster, authorities: [await makeAuthority(cluster, options)] };
  const result = await options.engine.commit({
    conditions: [{ key: authorityKey, expected: undefined }],
    puts: [authorityEntry(row)],
  });
  if (result.outcome !== 'committed') throw new MailError('conflict', 'this store belongs to a cluster');
  return new ClusterAuthority(options, cluster);
}

/** Undefined when no cluster was made in this store. */
export async function openAuthority(options: AuthorityOptions): Promise<ClusterAuthority | undefined> {
  const bytes = await options.engine.get(authorityKey);
  return bytes === undefined ? undefined : new ClusterAuthority(options, decodeAuthority(bytes).cluster);
}

/** Of the name in a certificate: the machine that shows it, another one, or none since an operator forgot it. */
export type NameOwner = 'itself' | 'another' | 'nobody';

export class ClusterAuthority {
  readonly cluster: string;
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor({ engine, clock, random }: AuthorityOptions, cluster: string) {
    this.cluster = cluster;
    this.#engine = engine;
    this.#clock = clock;
    this.#random = random;
  }

  /** The certificates that are accepted, PEM; the first one issues. Read anew: one may have been replaced. */
  async certificates(): Promise<readonly string[]> {
    return (await this.#row()).authorities.map(({ certificate }) => certificate);
  }

  /** The token's text, which is shown once. */
  async createJoinToken(options: JoinTokenOptions): Promise<JoinTokenInfo & { readonly token: string }> {
    checkAdmission(options);
    checkTokenLimits(options);
    const { authorities } = await this.#row();
    await this.#dropExpiredTokens();
    const id = this.#random.identifier(tokenIdLength);
    const secret = this.#random.identifier(tokenSecretLength);
    const now = this.#clock.now();
    const { roles, zone, uses, expiresMs } = options;
    const admission = { roles: [...new Set(roles)], zone };
    const info = { id, ...admission, createdAt: now, expiresAt: now + expiresMs, usesLeft: uses };
    await this.#engine.commit({ puts: [tokenEntry({ ...info, digest: secretDigest(secret) })] });
    const fingerprint = fingerprintOf(authorities[0]!.certificate);
    return { ...info, token: formatJoinToken({ cluster: this.cluster, fingerprint, id, secret }) };
  }

  async joinTokens(): Promise<JoinTokenInfo[]> {
    return (await this.#tokens()).map(({ digest: _, ...info }) => info);
  }

  /** Whether a token that could be redeemed, or was a moment ago, is out: else strangers have no business here. */
  async awaitsNodes(): Promise<boolean> {
    const now = this.#clock.now();
    return (await this.#tokens()).some((token) => token.expiresAt > now);
  }

  async revokeJoinToken(id: string): Promise<void> {
    await this.#engine.commit({ deletes: [tokenKey(id)] });
  }

  /** Enrols the cluster's first node, or one that the operator vouches for: what has the engine needs no token. */
  async enroll(admission: Admission, node: string, request: string): Promise<Certified> {
    checkAdmission(admission);
    return this.#enroll(node, request, async () => ({ admission, conditions: [], puts: [] }));
  }

  /** Enrols a node that brings a token. */
  async redeem(token: Pick<JoinToken, 'id' | 'secret'>, node: string, request: string): Promise<Certified> {
    return this.#enroll(node, request, async (enrolled, digest) => {
      const bytes = await this.#engine.get(tokenKey(token.id));
      const row = bytes === undefined ? undefined : decodeToken(bytes);
      const isRepeated = enrolled?.token === token.id && enrolled.keyDigest === digest;
      if (row === undefined || !isSecretOf(token.secret, row.digest)) throw badToken();
      if (row.expiresAt <= this.#clock.now() || (row.usesLeft < 1 && !isRepeated)) throw badToken();
      const { roles, zone } = row;
      if (isRepeated) return { admission: { roles, zone }, token: row.id, conditions: [], puts: [] };
      return {
        admission: { roles, zone },
        token: row.id,
        conditions: [{ key: tokenKey(row.id), expected: bytes }],
        puts: [tokenEntry({ ...row, usesLeft: row.usesLeft - 1 })],
      };
    });
  }

  /**
   * A new certificate, for a new key, of a node that showed its present one. Refuses who is not enrolled (any more), also
   * when another machine has the name by now, and a key that was renewed before.
   */
  async renew(present: PresentCertificate, request: string): Promise<Certified> {
    const { node, publicKeyDigest } = present;
    const publicKey = await keyOfRequest(request);
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const bytes = await this.#engine.get(enrolledKey(node));
      const enrolled = bytes === undefined ? undefined : decodeEnrolled(bytes);
      const keys = [enrolled?.keyDigest, enrolled?.previousKeyDigest];
      if (enrolled === undefined || !keys.includes(publicKeyDigest))
        throw new MailError('permissionDenied', `this machine is not ${node} of this cluster`);
      const row = {
        ...enrolled,
        keyDigest: keyDigest(publicKey),
        previousKeyDigest: publicKeyDigest,
        certificateEndsAt: this.#newEnd(),
      };
      const conditions = [{ key: enrolledKey(node), expected: bytes }];
      const result = await this.#engine.commit({ conditions, puts: [enrolledEntry(row)] });
      if (result.outcome === 'committed') return this.#certify(row, publicKey);
    }
    throw contended();
  }

  /**
   * Who has its name by now: a certificate lasts longer than the enrolment that it was issued for. To be asked when one was
   * shown: the newest one ends the one before.
   */
  async ownerOf({ node, publicKeyDigest }: PresentCertificate): Promise<NameOwner> {
    const bytes = await this.#engine.get(enrolledKey(node));
    if (bytes === undefined) return 'nobody';
    const { previousKeyDigest, ...row } = decodeEnrolled(bytes);
    if (previousKeyDigest !== undefined && publicKeyDigest === row.keyDigest) {
      const conditions = [{ key: enrolledKey(node), expected: bytes }];
      // When the row has changed meanwhile, or cannot be written, the next link shows it again.
      await this.#engine.commit({ conditions, puts: [enrolledEntry(row)] }).catch(() => {});
    }
    return publicKeyDigest === row.keyDigest || publicKeyDigest === previousKeyDigest ? 'itself' : 'another';
  }

  async enrolledNodes(): Promise<EnrolledNode[]> {
    const limits = { entriesMax: nodesMax, bytesMax: 64 * 1024 * 1024 };
    const { entries } = await this.#engine.page(enrolledRange, limits);
    return entries.map(({ value }) => decodeEnrolled(value));
  }

  /** Its certificate is not renewed any more and opens no link (see KnownMembers), and its name is free. */
  async forget(node: NodeId): Promise<void> {
    await this.#engine.commit({ deletes: [enrolledKey(node)] });
  }

  async #enroll(name: string, request: string, pay: Payment): Promise<Certified> {
    const node = parseNodeName(name);
    // The payment comes first: without a token nobody learns whether a name is taken or why a request is wrong.
    const publicKey = await keyOfRequest(request).catch((error: unknown) => error as MailError);
    const digest = publicKey instanceof Error ? '' : keyDigest(publicKey);
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const bytes = node === undefined ? undefined : await this.#engine.get(enrolledKey(node));
      const present = bytes === undefined ? undefined : decodeEnrolled(bytes);
      const paid = await pay(present, digest);
      if (node === undefined) throw badName(name);
      if (publicKey instanceof Error) throw publicKey;
      if (present !== undefined && present.keyDigest !== digest) throw nameTaken(node);
      const row = {
        node,
        ...paid.admission,
        keyDigest: digest,
        ...(paid.token === undefined ? {} : { token: paid.token }),
        enrolledAt: present?.enrolledAt ?? this.#clock.now(),
        certificateEndsAt: this.#newEnd(),
      };
      const result = await this.#engine.commit({
        conditions: [...paid.conditions, { key: enrolledKey(node), expected: bytes }],
        puts: [...paid.puts, enrolledEntry(row)],
      });
      if (result.outcome === 'committed') return this.#certify(row, publicKey);
    }
    throw contended();
  }

  async #certify({ node, roles, zone }: EnrolledNode, publicKey: Buffer): Promise<Certified> {
    const { cluster, authorities } = await this.#row();
    const certificate = await issueCertificate(authorities[0]!, {
      node,
      zone,
      publicKey,
      clock: this.#clock,
      random: this.#random,
    });
    const accepted = authorities.map((authority) => authority.certificate);
    return { cluster, roles, zone, certificate, authorities: accepted };
  }

  #newEnd(): number {
    return this.#clock.now() + nodeCertificateDays * 86_400_000;
  }

  async #row(): Promise<AuthorityRow> {
    const bytes = await this.#engine.get(authorityKey);
    if (bytes === undefined) throw new Fault('the authority of the cluster is gone', { temporary: false });
    return decodeAuthority(bytes);
  }

  async #tokens(): Promise<JoinTokenRow[]> {
    const limits = { entriesMax: tokensMax, bytesMax: 16 * 1024 * 1024 };
    const { entries } = await this.#engine.page(tokenRange, limits);
    return entries.map(({ value }) => decodeToken(value));
  }

  async #dropExpiredTokens(): Promise<void> {
    const tokens = await this.#tokens();
    const now = this.#clock.now();
    const expired = tokens.filter((token) => token.expiresAt <= now);
    if (tokens.length - expired.length >= tokensMax)
      throw new MailError('limitReached', `there are ${tokensMax} join tokens; revoke some`);
    if (expired.length > 0) await this.#engine.commit({ deletes: expired.map(({ id }) => tokenKey(id)) });
  }
}

/** What an enrolment costs: rows that must not have changed, and rows that change with it. */
interface Paid {
  readonly admission: Admission;
  readonly token?: string;
  readonly conditions: readonly { readonly key: Bytes; readonly expected: Bytes | undefined }[];
  readonly puts: readonly { readonly key: Bytes; readonly value: Bytes }[];
}
type Payment = (present: EnrolledNode | undefined, digest: string) => Promise<Paid>;

const knownRoles: readonly NodeRole[] = ['frontend', 'mx', 'backend'];

function checkAdmission({ roles, zone }: Admission): void {
  if (roles.length === 0 || !roles.every((role) => knownRoles.includes(role)))
    throw new MailError('invalidArgument', `roles are one or more of ${knownRoles.join(', ')}`);
  if (!zoneForm.test(zone))
    throw new MailError('invalidArgument', 'a zone is 1 to 32 characters of a-z, 0-9 and "-"');
  if (zone === outerZone && roles.includes('backend'))
    throw new MailError(
      'invalidArgument',
      'a backend needs the database; the outer zone has none: name the roles (--role frontend, --role mx)',
    );
}

function checkTokenLimits({ expiresMs, uses }: JoinTokenOptions): void {
  if (!Number.isSafeInteger(uses) || uses < 1 || uses > usesMax)
    throw new MailError('invalidArgument', `a join token has 1 to ${usesMax} uses`);
  if (!(expiresMs > 0 && expiresMs <= expiresMsMax))
    throw new MailError('invalidArgument', 'a join token expires within 30 days');
}

const badToken = (): MailError => new MailError('authenticationFailed', 'the join token is not valid');
const badName = (name: string): MailError =>
  new MailError('invalidArgument', `a node's name is 1 to 63 characters of a-z, 0-9 and "-": "${name}"`);
const nameTaken = (node: NodeId): MailError =>
  new MailError('conflict', `there is a node ${node}; remove it first, or choose another name`);
const contended = (): Fault =>
  new Fault('others keep changing the rows of this enrolment', { temporary: true });
