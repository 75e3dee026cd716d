// The texts of SELECT's flags are kept: each set of keywords and rights has its own.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { keywordsMax } from '../../mail/flags.ts';
import { allRights } from '../../mail/rights.ts';
import { flagsResponses } from './flag-text.ts';

const system = '\\Answered \\Flagged \\Deleted \\Seen \\Draft';

function told(keywords: readonly string[], { rights = allRights, readOnly = false } = {}): string[] {
  return flagsResponses({ keywords, rights, readOnly }).split('\r\n');
}

const none = '* OK [PERMANENTFLAGS ()] No permanent flags permitted';

it('tells keywords, and what of it may be changed, as often as it is asked', () => {
  for (let round = 0; round < 2; round++) {
    const [flags, permanent] = told([]);
    assert.equal(flags, `* FLAGS (${system})`);
    assert.equal(permanent, `* OK [PERMANENTFLAGS (${system} \\*)] Flags permitted`);
    assert.deepEqual(told(['one', 'two']).slice(0, 2), [
      `* FLAGS (${system} one two)`,
      `* OK [PERMANENTFLAGS (${system} one two \\*)] Flags permitted`,
    ]);
    assert.equal(told(['one'])[1], `* OK [PERMANENTFLAGS (${system} one \\*)] Flags permitted`);
    assert.deepEqual(told(['one'], { readOnly: true }).slice(0, 2), [`* FLAGS (${system} one)`, none]);
    assert.deepEqual(told(['one'], { rights: 'lr' }).slice(0, 2), [`* FLAGS (${system} one)`, none]);
    assert.equal(told(['one'], { rights: 'lrs' })[1], '* OK [PERMANENTFLAGS (\\Seen)] Flags permitted');
  }
});

it('goes on when there were more sets of keywords than are kept', () => {
  for (let index = 0; index < 600; index++)
    assert.equal(told([`k${index}`])[0], `* FLAGS (${system} k${index})`);
  const many = Array.from({ length: keywordsMax }, (_, index) => `${'long'.repeat(9)}${index}`);
  // A full table has places that nobody uses.
  for (let round = 0; round < 2; round++) assert.match(told(many)[1]!, /58 \\\*\)\] Flags permitted$/);
});
