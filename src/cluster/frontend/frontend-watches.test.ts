// How many watches of an account a node of the outer zone can begin: each is told of every change.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testAccountId } from '../../account/testing.ts';
import { refusedWith } from '../../account/testing-engines.ts';
import { systemClock as clock } from '../../base/clock.ts';
import type { NodeId } from '../../mail/ids.ts';
import { accountServiceName } from '../account-service.ts';
import { HandClock } from '../testing-cluster-members.ts';
import {
  type FrontendAccountServiceOptions,
  openFrontendAccountService,
} from './frontend-account-service.ts';

test('one node has so many watches of an account, others and other accounts theirs; those that end make room', async () => {
  const ended: (() => void)[] = [];
  const options: unknown = {
    // It answers when it is told.
    hosted: {
      watch: () =>
        new Promise((resolve) => {
          ended.push(() => resolve(() => {}));
        }),
    },
    gate: { check: async () => ({ service: 'imap', expiresAt: clock.now() + 3_600_000 }) },
    messageBytesMax: () => 100_000,
    clock: new HandClock(),
  };
  const service = openFrontendAccountService(options as FrontendAccountServiceOptions);
  const watch = (peer: string, account: string) => {
    const call = {
      service: accountServiceName,
      method: 'watch',
      arguments: [account, {}],
      held: true,
      isCancelled: true,
      peer: peer as NodeId,
      grant: undefined,
      push: async () => {},
      whenCancelled: (callback: () => void) => callback(),
    };
    return service(call);
  };
  const other = 'bbbbbbbbbbbbbbbb';
  const watches = Array.from({ length: 2_000 }, () => watch('f', testAccountId));
  await clock.nextTurn();
  await assert.rejects(watch('f', testAccountId), refusedWith('limitReached'));
  watches.push(watch('f', other), watch('g', testAccountId));
  await clock.nextTurn();
  assert.equal(ended.length, 2_002);
  for (const end of ended) end();
  await Promise.all(watches);
  const again = watch('f', testAccountId);
  await clock.nextTurn();
  ended.at(-1)!();
  await again;
});
