// The sessions of an account are counted at its host, wherever they are, and follow it from host to host.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountPort, SessionService } from '../account/port.ts';
import { testAccountId } from '../account/testing.ts';
import { systemClock } from '../base/clock.ts';
import type { NodeId } from '../mail/ids.ts';
import { isMailError, MailError } from '../mail/mail-error.ts';
import { NotHostedHere } from './links/link-failure.ts';
import { SessionQuestions } from './session-census.ts';
import { openNodes, portAt, type TestNodes, testShard } from './testing-account-nodes.ts';

/** Sessions of one watch; resolves when the watch is there: its first event says so. */
async function watchFor(port: AccountPort, service: SessionService, sessions: { count: number }) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = port.watch(() => resolve(), { service, count: () => sessions.count });
  await promise;
  return stop;
}

async function countedAt(nodes: TestNodes, name: string): Promise<string[]> {
  const found = await nodes.node(name).accounts.sessionsOf(testAccountId);
  return found.map(({ node, service, sessions }) => `${node} ${service} ${sessions}`);
}

async function untilCounted(nodes: TestNodes, wanted: readonly string[]): Promise<void> {
  const deadline = systemClock.monotonic() + 20_000;
  let counted: string[] = [];
  while (systemClock.monotonic() < deadline) {
    counted = await countedAt(nodes, 'f');
    if (String(counted) === String(wanted)) return;
    await systemClock.sleep(10);
  }
  assert.deepEqual(counted, wanted);
}

test('each node that is asked counts the same: those of the host, of others, of each service', async () => {
  await using nodes = await openNodes();
  assert.deepEqual(await countedAt(nodes, 'f'), []);
  const onF = { count: 2 };
  const stopF = await watchFor(await portAt(nodes, 'f'), 'imap', onF);
  await watchFor(await portAt(nodes, 'f'), 'imap', { count: 3 });
  await watchFor(await portAt(nodes, 'f'), 'pop3', { count: 1 });
  await watchFor(await portAt(nodes, 'a'), 'imap', { count: 4 });
  // Nobody's session: a watch for something else.
  (await portAt(nodes, 'b')).watch(() => {});
  for (const name of ['a', 'b', 'f'])
    assert.deepEqual(await countedAt(nodes, name), ['a imap 4', 'f imap 5', 'f pop3 1'], name);
  onF.count = 7;
  assert.deepEqual(await countedAt(nodes, 'a'), ['a imap 4', 'f imap 10', 'f pop3 1']);
  await nodes.move(testShard, 'b');
  await assert.rejects(nodes.node('a').hosted.countSessions(testAccountId), NotHostedHere);
  await untilCounted(nodes, ['a imap 4', 'f imap 10', 'f pop3 1']);
  stopF();
  await untilCounted(nodes, ['a imap 4', 'f imap 3', 'f pop3 1']);
});

test('a node that does not answer leaves its number unknown, and nobody answers for it', async () => {
  await using nodes = await openNodes();
  const questions = new SessionQuestions(systemClock);
  const [a, b] = ['a', 'b'] as NodeId[];
  let asked = 0;
  const say = async (question: number): Promise<void> => {
    asked = question;
    questions.answered(b!, question, 5);
    questions.answered(a!, question + 1, 6);
  };
  assert.equal(await questions.ask(a!, say), undefined);
  questions.answered(a!, asked, 7);
  const lost = questions.ask(a!, () => Promise.reject(new Error('the link is gone')));
  assert.equal(await lost, undefined);
  const heard = questions.ask(a!, async (question) => questions.answered(a!, question, 8));
  assert.equal(await heard, 8);
  await watchFor(await portAt(nodes, 'f'), 'imap', { count: 1 });
  nodes.node('a').hosted.sessions.join(testAccountId, {
    node: b!,
    service: 'imap',
    count: async () => undefined,
  });
  assert.deepEqual(await countedAt(nodes, 'f'), ['b imap undefined', 'f imap 1']);
});

test('who may not see an account hears nothing of its sessions', async () => {
  const authorize = ({ method }: { method: string }): void => {
    if (method === 'countSessions') throw new MailError('permissionDenied', 'not yours');
  };
  await using nodes = await openNodes({ authorize });
  await assert.rejects(countedAt(nodes, 'f'), (error) => isMailError(error, 'permissionDenied'));
});
