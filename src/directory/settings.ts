// What the internal directory is given and what it is limited by. Each number says why it is what it is.

import type { DirectoryHooks } from './hooks.ts';
import type { PasswordHashParameters } from './password-hash.ts';

/** What a running server may be told anew. */
export interface LoginLimits {
  /** Failed logins that are let through within ten minutes. */
  readonly failuresPerAddress: number;
  readonly failuresPerAccount: number;
  /** Of all that comes through one node of the outer zone. */
  readonly failuresPerFrontend: number;
  /** How long a verified password is remembered as a keyed digest; 0: not at all. */
  readonly verifiedCacheMs: number;
}

export interface DirectorySettings extends LoginLimits {
  /** Characters of which the first one in a local part begins the detail; '' turns sub-addressing off. */
  readonly subAddressSeparators: string;
  readonly hooks?: DirectoryHooks;
  /** Tests make it cheap. */
  readonly passwordHash?: PasswordHashParameters;
  readonly scramIterations?: number;
}

/**
 * PBKDF2 rounds of SCRAM verifiers. RFC 7677 asks for 4,096 at the least; the verifier lies beside the Argon2id hash and
 * would be the weaker one, so it is eight times that: 5 ms for the client, once a login.
 */
export const scramIterationsDefault = 32_768;

/** The cell of accounts whose rows are older than cells, and of every site that has one only. */
export const cellDefault = 'main';

/** Cached lookups (one entry is under 1 KiB): the accounts of a busy server and some guessing besides. */
export const cachedLookupsMax = 20_000;
/** A lost change signal is made good after this long. */
export const cachedLookupMs = 30_000;

/** Nested aliases beyond this are a mistake or a loop. */
export const aliasDepthMax = 8;
/** Targets of one alias, and of one address after expansion: more is a mailing list's business. */
export const aliasTargetsMax = 1_000;
/** Addresses of one account: all of them are written in one batch. */
export const addressesPerAccountMax = 500;
/** Each is looked for in every list of rights. */
export const groupsPerAccountMax = 100;
/** It stands in a key, as `group=<name>`. */
export const groupCharactersMax = 64;
export const appPasswordsMax = 50;
/** Longer login names are no addresses; what is remembered of logins is bounded by it. */
export const loginNameCharactersMax = 512;
/** A page of a listing: bounded memory and time for one request. */
export const pageItemsMax = 1_000;
export const nameCharactersMax = 256;
/** A change that lost this many races in a row gives up: somebody else is writing the same record in a loop. */
export const commitAttemptsMax = 8;
