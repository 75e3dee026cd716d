// What may be the name of a new account or alias (RFC 8265 section 3.3), and a new password (section 4.2).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom } from '../base/random.ts';
import { parseAddress } from '../mail/address.ts';
import { isMailError } from '../mail/mail-error.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import { startSasl } from '../wire/sasl/start-sasl.ts';
import { PasswordHasher } from './password-hash.ts';
import { decodeSecret, keys, put } from './rows.ts';
import { cheapHash, fromHere, openTestDirectory } from './testing.ts';

const isInvalid = (error: unknown) => isMailError(error, 'invalidArgument');

test('what looks like another name, or cannot be seen, is no name', async () => {
  const { directory } = await openTestDirectory();
  await directory.addAccount({ address: 'fish@example.test', password: 'secret' });
  const refused = [
    '\ufb01sh',
    'fi\u00adsh',
    'fi\u200dsh',
    'fish\u265a',
    'a\u05d0',
    '\u0660\u06f0',
    '"two  words"',
  ];
  for (const name of refused) {
    const address = `${name}@example.test`;
    await assert.rejects(directory.addAccount({ address, password: 'secret' }), isInvalid);
    await assert.rejects(directory.addAlias({ address, targets: ['fish@example.test'] }), isInvalid);
    assert.equal((await directory.resolve(parseAddress(address)!)).outcome, 'unknownUser', address);
  }
  for (const name of ['f\u0131sh', '"two words"', '\u05d0\u05d1', 'l\u00b7l'])
    await directory.addAccount({ address: `${name}@example.test`, password: 'secret' });
  assert.equal((await directory.accountByAddress('\uff26ISH@example.test'))?.address, 'fish@example.test');
});

test('a password and a name of before go on, though they would be refused now', async () => {
  const engine = openMemoryEngine();
  const { directory } = await openTestDirectory({}, engine);
  const { id } = await directory.addAccount({ address: 'alice@example.test', password: 'right' });
  const [name, password] = ['al\u0640ice@example.test', 'I \u2764\ufe0f\u00a0you'];
  await assert.rejects(directory.setPassword(id, password), isInvalid);
  await assert.rejects(directory.setAccount(id, { addresses: [name] }), isInvalid);
  const passwordHash = await new PasswordHasher(cheapHash, systemRandom).hash('I \u2764\ufe0f you');
  const secret = decodeSecret((await engine.get(keys.secret(id)))!);
  const account = { ...(await directory.account(id))!, addresses: [name] };
  const puts = [
    put(keys.secret(id), 'secret', { ...secret, passwordHash }),
    put(keys.account(id), 'directoryAccount', account),
    put(keys.address(name), 'address', { account: id }),
  ];
  await engine.commit({ puts });
  // Nothing is remembered of before; and the hash is to be renewed.
  const { directory: later } = await openTestDirectory(
    { passwordHash: { ...cheapHash, passes: 2 }, scramIterations: 5000 },
    engine,
  );
  for (let attempt = 0; attempt < 2; attempt++) {
    const context = { authenticator: later, context: fromHere, tls: undefined, random: systemRandom };
    const server = startSasl('PLAIN', { ...context, offered: ['PLAIN'] });
    const step = await server?.step(Buffer.from(`\0${name}\0${password}`));
    assert.equal(step?.type === 'success' && step.principal.accountId, id);
    await later.settled();
    const renewed = decodeSecret((await engine.get(keys.secret(id)))!).passwordHash;
    assert.match(renewed ?? '', /t=2/);
  }
  assert.equal((await later.setAccount(id, { fullName: 'Alice' })).addresses[0], name);
});
