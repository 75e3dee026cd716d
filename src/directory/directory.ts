// Who users are (ARCHITECTURE 1): domains, accounts, addresses, aliases, secrets. Speakers and transport see only this
// interface; the internal directory keeps it in the engine, LDAP and SQL will serve the same one.

import type { Address } from '../mail/address.ts';
import type { AccountId, NodeId } from '../mail/ids.ts';
import type { SaslScramOutcome, SaslScramProof } from '../wire/sasl/sasl.ts';

/** Protocol switches of an account and scopes of app passwords. */
export const services = ['imap', 'pop3', 'smtp', 'http', 'managesieve'] as const;
export type Service = (typeof services)[number];

export interface Domain {
  /** A-labels, lower case. */
  readonly name: string;
  readonly enabled: boolean;
  /** Set: this is another name of that domain; everything at it is looked up there. */
  readonly aliasOf: string | undefined;
  /** An address that gets what no account or alias takes. */
  readonly catchAll: string | undefined;
  /** Gets mail for postmaster, unless an account or alias has that address; undefined: an administrator. */
  readonly postmaster: string | undefined;
  /** What those may who administer the domain alone (WithinLimits). Undefined: no limit. */
  readonly accountsMax: number | undefined;
  /** Of each account. */
  readonly quotaBytesMax: number | undefined;
  readonly description: string;
}

export interface DirectoryAccount {
  readonly id: AccountId;
  /** Canonical; the login name. */
  readonly address: string;
  /** Further addresses of the same account, canonical. */
  readonly addresses: readonly string[];
  readonly fullName: string;
  readonly enabled: boolean;
  readonly administrator: boolean;
  /** Names that lists of rights on mailboxes may let in: `group=<name>`. */
  readonly groups: readonly string[];
  /** Nobody's own: nobody logs in, its mailboxes are for those that their lists let in. */
  readonly shared: boolean;
  readonly services: readonly Service[];
  readonly quotaBytes: number | undefined;
  readonly quotaMessages: number | undefined;
  /** Seconds since 1970 UTC. */
  readonly createdAt: number;
  /** The name of the storage domain its mail is in: that of the node that made it. */
  readonly cell: string;
}

export interface Alias {
  readonly address: string;
  /** Addresses, local or not. */
  readonly targets: readonly string[];
  readonly enabled: boolean;
}

export interface AppPassword {
  readonly id: string;
  readonly name: string;
  readonly services: readonly Service[];
  readonly createdAt: number;
  readonly lastUsedAt: number | undefined;
}

/** Where mail for one address goes. */
export type Resolution =
  | { readonly outcome: 'deliver'; readonly targets: readonly Target[] }
  /** The domain is not ours: relaying, if anything. */
  | { readonly outcome: 'foreign' }
  | { readonly outcome: 'unknownUser' }
  | { readonly outcome: 'disabled' }
  /** Aliases that expand beyond the limit of depth or number. */
  | { readonly outcome: 'aliasLoop' };

export type Target =
  | {
      readonly type: 'account';
      readonly accountId: AccountId;
      readonly address: string;
      /** What stood behind the separator in user+detail@domain. */
      readonly detail: string | undefined;
    }
  | { readonly type: 'outside'; readonly address: string };

/** Who a session acts for after authentication. */
export interface Principal {
  readonly accountId: AccountId;
  readonly address: string;
  readonly administrator: boolean;
  /** Undefined: the account's own password, all of its services. */
  readonly appPasswordId: string | undefined;
  /** The account's sessions end when this is no longer what InternalDirectory.sessionEpoch says. Undefined: not told. */
  readonly sessionEpoch?: string | undefined;
  /** The administrator who acts for the account: sessions end with his login too. Undefined: its owner. */
  readonly actor?: Pick<Principal, 'accountId' | 'sessionEpoch'>;
}

export interface AuthenticationContext {
  readonly service: Service;
  readonly remoteAddress: string;
  readonly traceId: string;
  /** The node of the outer zone through which it comes, and that says all of this; undefined: none. */
  readonly frontend?: NodeId | undefined;
}

/** SCRAM-SHA-256 verifier of RFC 5803's kind; for unknown users a stable, invented one (constant behaviour). */
export interface ScramVerifier {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
  /** See SaslScramVerifier: of directories that check proofs elsewhere. */
  readonly nonce?: string;
}

export interface Authenticator {
  /**
   * Refuses with authenticationFailed (unknown user, wrong password, disabled account, service switched off: all the
   * same to the caller and in time) or limitReached (throttled: too many failures of the address or account).
   * `authorizationId`: '' or the same account; administrators may name another one.
   */
  verifyPassword(
    credentials: { readonly user: string; readonly password: string; readonly authorizationId: string },
    context: AuthenticationContext,
  ): Promise<Principal>;
  /** Refuses with limitReached only; never tells whether the user exists. */
  scramVerifier(user: string, context: AuthenticationContext): Promise<ScramVerifier>;
  /** After a SCRAM exchange: tells the outcome (throttling, last use), and who it is. */
  finishScram(outcome: SaslScramOutcome, context: AuthenticationContext): Promise<Principal>;
  /**
   * For a client whose certificate was verified: the account that one of its names leads to, `authorizationId` as above. Refuses
   * as verifyPassword does. Undefined where certificates are not believed.
   */
  verifyCertificate?(
    identity: { readonly names: readonly string[]; readonly authorizationId: string },
    context: AuthenticationContext,
  ): Promise<Principal>;
  /** As InternalDirectory.sessionEpoch. Undefined in the outer zone, where grants end instead. */
  sessionEpoch?(id: AccountId, service: Service, isFresh?: boolean): Promise<string | undefined>;
  /** In place of finishScram with `verified`, where verifiers have no keys: they are kept elsewhere. */
  proveScram?(
    proof: SaslScramProof,
    context: AuthenticationContext,
  ): Promise<{ readonly principal: Principal; readonly signature: Uint8Array }>;
}

export interface Directory extends Authenticator {
  resolve(address: Address): Promise<Resolution>;
  /** True when the account may send with this sender address: its own ones, sub-addresses of them, and aliases that lead to it alone. */
  ownsAddress(accountId: AccountId, address: Address): Promise<boolean>;
  account(id: AccountId): Promise<DirectoryAccount | undefined>;
  accountByAddress(address: string): Promise<DirectoryAccount | undefined>;
}

export interface PageRequest {
  readonly after: string | undefined;
  readonly limit: number;
}
export interface PageOf<T> {
  readonly items: readonly T[];
  readonly next: string | undefined;
}

export interface NewAccount {
  readonly address: string;
  readonly password: string | undefined;
  readonly fullName?: string;
  readonly addresses?: readonly string[];
  readonly administrator?: boolean;
  readonly groups?: readonly string[];
  readonly shared?: boolean;
  readonly services?: readonly Service[];
  readonly quotaBytes?: number | undefined;
  readonly quotaMessages?: number | undefined;
}

/** Who administers one domain alone is refused (permissionDenied) what its limits do not allow. */
export interface WithinLimits {
  readonly withinLimits: boolean;
}

export type AccountChange = Partial<Omit<DirectoryAccount, 'id' | 'createdAt' | 'cell'>>;

/** What administration does with the directory. Refuses: invalidArgument, conflict, noSuchAccount. */
export interface DirectoryAdministration extends Directory {
  addDomain(domain: Pick<Domain, 'name'> & Partial<Domain>): Promise<Domain>;
  domain(name: string): Promise<Domain | undefined>;
  domains(page: PageRequest): Promise<PageOf<Domain>>;
  setDomain(name: string, change: Partial<Omit<Domain, 'name'>>): Promise<Domain>;
  /** Refuses with conflict while accounts or aliases are in it. */
  removeDomain(name: string): Promise<void>;

  /** Within limits an account without a quota gets the largest that there may be. */
  addAccount(account: NewAccount, by?: WithinLimits): Promise<DirectoryAccount>;
  accounts(page: PageRequest & { readonly domain?: string }): Promise<PageOf<DirectoryAccount>>;
  setAccount(id: AccountId, change: AccountChange, by?: WithinLimits): Promise<DirectoryAccount>;
  removeAccount(id: AccountId): Promise<void>;
  setPassword(id: AccountId, password: string): Promise<void>;
  addAppPassword(
    id: AccountId,
    options: { readonly name: string; readonly services: readonly Service[] },
  ): Promise<AppPassword & { readonly password: string }>;
  appPasswords(id: AccountId): Promise<readonly AppPassword[]>;
  removeAppPassword(id: AccountId, appPasswordId: string): Promise<void>;

  addAlias(alias: { readonly address: string; readonly targets: readonly string[] }): Promise<Alias>;
  alias(address: string): Promise<Alias | undefined>;
  aliases(page: PageRequest & { readonly domain?: string }): Promise<PageOf<Alias>>;
  setAlias(address: string, change: Partial<Omit<Alias, 'address'>>): Promise<Alias>;
  removeAlias(address: string): Promise<void>;
}
