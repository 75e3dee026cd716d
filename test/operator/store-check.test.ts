// rookery store check on a running server: a sound store, one with a damaged blob, and what scripts learn from the exit code.

import assert from 'node:assert/strict';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { exitCodes } from '../../src/operator/exit-codes.ts';
import { bytesOf, messagesOf, numberedMessage, storeMessage } from '../account-content.ts';
import { ServerProcess } from '../server-process.ts';

interface CheckResult {
  readonly accounts: number;
  readonly messages: number;
  readonly findings: number;
  readonly items: readonly { readonly accountId: string; readonly what: string; readonly action: string }[];
}

/** Above every threshold for keeping a message beside its metadata. */
const largeText = `Subject: large\r\n\r\n${'a line that is to be damaged\r\n'.repeat(20_000)}`;

describe('store check', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({ accounts: ['alice', 'bob'] });
    for (let number = 0; number < 20; number++)
      await storeMessage(server.admin, 'alice', { bytes: numberedMessage(number) });
    await storeMessage(server.admin, 'bob', { bytes: largeText });
  });
  after(() => server.stop());

  /** The file that holds the large message. */
  const blobFile = async (): Promise<string> => {
    const folder = join(server.data, 'blobs');
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() && (await stat(path)).size >= largeText.length) return path;
    }
    return assert.fail('the large message is in no file');
  };

  test('finds nothing in a sound store', async () => {
    const { accounts, messages, findings, items } = await server.json<CheckResult>(['store', 'check']);
    assert.deepEqual(
      { accounts, messages, findings, items },
      {
        accounts: 2,
        messages: 21,
        findings: 0,
        items: [],
      },
    );
    const told = await server.rookery(['store', 'check', '--report-only']);
    assert.equal(told.code, 0, told.stderr);
    assert.match(told.stdout, /^findings: +0$/m);
  });

  test('sets a damaged message aside, counts anew, and leaves the rest', async () => {
    const file = await open(await blobFile(), 'r+');
    await file.write(Buffer.from('DAMAGED'), 0, 7, 1000);
    await file.close();
    const reported = await server.rookery(['store', 'check', '--report-only', '--json']);
    assert.equal(reported.code, exitCodes.damaged, reported.stderr);
    const { findings, items } = JSON.parse(reported.stdout) as CheckResult;
    assert.equal(findings, 1, reported.stdout);
    assert.equal(items[0]!.action, 'reported');
    const repaired = await server.rookery(['store', 'check', '--json']);
    assert.equal(repaired.code, exitCodes.damaged, repaired.stderr);
    const actions = (JSON.parse(repaired.stdout) as CheckResult).items.map(({ action }) => action);
    assert.deepEqual([...new Set(actions)].sort(), ['repaired', 'setAside']);
    const sound = await server.json<CheckResult>(['store', 'check']);
    assert.deepEqual([sound.findings, sound.messages], [0, 20]);
    assert.deepEqual(await messagesOf(server.admin, 'bob'), []);
    const [row] = await messagesOf(server.admin, 'alice');
    const bytes = await bytesOf(server.admin, 'alice', { uid: row!.uid });
    assert.equal(bytes.toString('latin1'), numberedMessage(0));
    assert.equal((await messagesOf(server.admin, 'alice')).length, 20);
  });
});
