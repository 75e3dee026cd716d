// Fuzzes what nodes of the outer zone send: grants, SCRAM nonces, questions to the directory and the cluster, deliveries.
// Nothing passes for what this cluster made but what it made; everything else is a refusal.

import assert from 'node:assert/strict';
import { seededRandom } from '../../src/base/random.ts';
import { clusterMethods } from '../../src/cluster/frontend/cluster-protocol.ts';
import { directoryMethods } from '../../src/cluster/frontend/directory-protocol.ts';
import { type LinkProtocol, parseMethodQuestion } from '../../src/cluster/frontend/link-protocol.ts';
import { isScramNonce, makeScramNonce } from '../../src/cluster/frontend/scram-nonce.ts';
import { openGrant, sealGrant } from '../../src/cluster/frontend/session-grant.ts';
import { decodeValue, encodeValue } from '../../src/cluster/links/link-value.ts';
import { parseAccountRequest } from '../../src/cluster/remote-account-methods.ts';
import { parseDelivery } from '../../src/cluster/remote-delivery.ts';
import type { AccountId, NodeId } from '../../src/mail/ids.ts';
import { isMailError } from '../../src/mail/mail-error.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const key = Buffer.alloc(32, 5);
const now = 1_800_000_000_000;
const owner = { peer: 'edge' as NodeId, user: 'alice@example.test' };
const grant = Buffer.from(
  sealGrant(
    {
      id: 'abcdefghijklmnop',
      account: 'aaaaaaaaaaaaaaaa' as AccountId,
      peer: owner.peer,
      service: 'imap',
      epoch: '',
      issuedAt: now,
      expiresAt: now + 1,
      sessionEndsAt: now + 2,
    },
    key,
  ),
);
const nonce = makeScramNonce(owner, { key, now, random: seededRandom(1) });
const context = { service: 'imap', remoteAddress: '192.0.2.1', traceId: 't' };
const questions: readonly object[] = [
  { user: 'a', password: 'b', authorizationId: '', context },
  { localPart: 'a', domain: 'b' },
  { operation: 'o', bytes: Buffer.from('x'), detail: 'd' },
  { known: 'x' },
  { request: 'x' },
  ['aaaaaaaaaaaaaaaa', [7], 'bbbbbbbbbbbbbbbb'],
];

export const target: FuzzTarget = {
  name: 'frontend',
  seeds: () => [grant, Buffer.from(nonce), ...questions.map((question) => encodeValue(question).header)],
  run(input) {
    const bytes = Buffer.from(input);
    if (openGrant(bytes, [key]) !== undefined) assert.ok(bytes.equals(grant));
    const text = bytes.toString('latin1');
    if (isScramNonce(text, owner, { keys: [key], now })) assert.equal(text, nonce);
    const given = decoded(bytes);
    const parsers = [
      ...questionParsers(directoryMethods, given),
      ...questionParsers(clusterMethods, given),
      () => parseDelivery(given),
      () => parseAccountRequest(given),
    ];
    for (const parse of parsers) orRefused(parse);
  },
};

/** What a link makes of a message; undefined when it is none. */
function decoded(bytes: Buffer): unknown {
  try {
    return decodeValue(bytes, Buffer.alloc(0));
  } catch {
    return undefined; // not plain data: the link ends, see link-frames.fuzz.ts
  }
}

function questionParsers(protocol: LinkProtocol, given: unknown): (() => unknown)[] {
  return Object.keys(protocol).map((method) => () => parseMethodQuestion(protocol, method, given));
}

function orRefused(parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    if (!isMailError(error, 'invalidArgument')) throw error;
  }
}
