// What may be the name of a new account or alias (RFC 8265 section 3.3).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../mail/address.ts';
import { isMailError } from '../mail/mail-error.ts';
import { openTestDirectory } from './testing.ts';

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
