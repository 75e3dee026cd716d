import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { isMailError } from '../mail/mail-error.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import { decodeRow, keys } from './rows.ts';
import { pageItemsMax } from './settings.ts';
import { manualClock } from './testing.ts';
import { listAllTokens, openApiTokens } from './tokens.ts';

function open() {
  const clock = manualClock();
  const engine = openMemoryEngine();
  const options = { engine, clock, random: systemRandom, log: silentLog };
  return { clock, tokens: openApiTokens(options), others: openApiTokens(options), engine };
}

test('a token is verified until it is revoked, in every process', async () => {
  const { tokens, others } = open();
  const { token, ...shown } = await tokens.create({ name: 'ci', scopes: ['read', 'operate'] });
  assert.match(token, /^rookery_[a-z2-7]{12}_[A-Za-z0-9_-]{43}$/);
  assert.deepEqual(await tokens.verify(token), shown);
  assert.deepEqual(await others.verify(token), shown);
  for (const wrong of [
    '',
    'rookery_',
    `${token}x`,
    token.slice(0, -4) + (token.endsWith('AAAA') ? 'BBBB' : 'AAAA'),
  ]) {
    assert.equal(await tokens.verify(wrong), undefined);
  }
  await tokens.revoke(shown.id);
  assert.equal(await tokens.verify(token), undefined);
  assert.equal(await others.verify(token), undefined);
  await assert.rejects(tokens.revoke(shown.id), (error) => isMailError(error, 'noSuchAccount'));
});

test('a token expires', async () => {
  const { tokens, clock } = open();
  const expiresAt = Math.floor(clock.now() / 1000) + 60;
  const { token } = await tokens.create({ name: 'ci', scopes: ['read'], expiresAt });
  assert.equal((await tokens.verify(token))?.expiresAt, expiresAt);
  clock.advance(60_000);
  assert.equal(await tokens.verify(token), undefined);
});

test('tokens are listed in pages, without what would verify them', async () => {
  const { tokens, engine } = open();
  const made = [];
  for (let index = 0; index < 5; index++)
    made.push(await tokens.create({ name: `t${index}`, scopes: ['metrics'] }));
  const first = await tokens.list({ after: undefined, limit: 3 });
  const rest = await tokens.list({ after: first.next, limit: 3 });
  const names = [...first.items, ...rest.items].map((token) => token.name);
  assert.deepEqual(names.sort(), ['t0', 't1', 't2', 't3', 't4']);
  assert.equal(rest.next, undefined);
  assert.ok(!JSON.stringify(first).includes('digest'));
  const { entries } = await engine.page(
    { start: Buffer.of(0), end: Buffer.of(255) },
    { entriesMax: 100, bytesMax: 1_000_000 },
  );
  const secret = made[0]!.token.slice('rookery_'.length + 13);
  assert.ok(!entries.some((entry) => Buffer.from(entry.value).includes(secret)));
});

test('a token for one domain may nothing at a node that knows of no such tokens', async () => {
  const { tokens, engine } = open();
  const { token, id } = await tokens.create({ name: 'x', scopes: ['read'], domain: 'example.test' });
  const verified = await tokens.verify(token);
  assert.deepEqual([verified?.scopes, verified?.domain], [['read'], 'example.test']);
  // What such a node reads.
  assert.deepEqual(decodeRow<{ scopes: string[] }>('token', (await engine.get(keys.token(id)))!).scopes, []);
});

test('all tokens are listed, beyond a page', async () => {
  const { tokens } = open();
  const count = pageItemsMax + 1;
  for (let number = 0; number < count; number++) await tokens.create({ name: `${number}`, scopes: ['read'] });
  const listed = await listAllTokens(tokens);
  assert.equal(new Set(listed.map(({ id }) => id)).size, count);
});
