// The journal: what was appended is found again, up to the last whole group, whatever a crash left of the next one.

import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { Journal } from './journal.ts';

const directory = mkdtempSync(join(tmpdir(), 'rookery-journal.'));
after(() => rmSync(directory, { recursive: true }));

const payload = (number: number): Buffer => Buffer.alloc(10 + number * 17, number);

/** The numbers of the groups behind `from`. */
function recovered(path: string, from = 0): number[] {
  const journal = new Journal(path);
  const found: number[] = [];
  try {
    journal.recover(from, (group) => {
      const number = group[0]!;
      assert.deepEqual(group, payload(number));
      found.push(number);
    });
    assert.equal(journal.sequence, from + found.length);
  } finally {
    journal.close();
  }
  return found;
}

function write(path: string, numbers: readonly number[], from = 0): Journal {
  const journal = new Journal(path);
  journal.recover(from, () => undefined);
  for (const number of numbers) journal.append([payload(number).subarray(0, 5), payload(number).subarray(5)]);
  return journal;
}

it('finds every group again, and only those behind the one asked for', () => {
  const path = join(directory, 'whole');
  write(path, [1, 2, 3, 4]).close();
  assert.deepEqual(recovered(path), [1, 2, 3, 4]);
  assert.deepEqual(recovered(path, 2), [3, 4]);
  assert.deepEqual(recovered(path, 4), []);
});

it('ends before a group that is cut short or changed, wherever', () => {
  const path = join(directory, 'cut');
  write(path, [1, 2, 3]).close();
  const bytes = readFileSync(path);
  const end = bytes.lastIndexOf(3) + 1;
  const start = end - payload(3).length - 20;
  for (let cut = start; cut < end; cut++) {
    const zeroed = Buffer.from(bytes);
    zeroed.fill(0, cut, end);
    writeFileSync(path, zeroed);
    assert.deepEqual(recovered(path), [1, 2], `cut at ${cut}`);
    const flipped = Buffer.from(bytes);
    flipped[cut]! ^= 0x10;
    writeFileSync(path, flipped);
    assert.deepEqual(recovered(path), [1, 2], `changed at ${cut}`);
    writeFileSync(path, bytes.subarray(0, cut));
    assert.deepEqual(recovered(path), [1, 2], `file ends at ${cut}`);
  }
});

it('does not take what an earlier round left for groups of this one', () => {
  const path = join(directory, 'rounds');
  const journal = write(path, [1, 2, 3, 4, 5]);
  journal.startOver();
  // As long as the first group was, so that the second round ends where an old group begins.
  journal.append([payload(1)]);
  journal.close();
  assert.deepEqual(recovered(path, 5), [1]);
  // A crash between the tree's flush and the next group: everything is old.
  const again = write(join(directory, 'old'), [1, 2, 3]);
  again.startOver();
  again.close();
  assert.deepEqual(recovered(join(directory, 'old'), 3), []);
});

it('forgets a group that was taken back', () => {
  const path = join(directory, 'cancelled');
  const journal = write(path, [1, 2]);
  journal.cancel();
  journal.close();
  assert.deepEqual(recovered(path), [1]);
  write(path, [7], 1).close();
  assert.deepEqual(recovered(path, 1), [7]);
});

it('says that groups are missing between the tree and the journal', () => {
  const path = join(directory, 'gap');
  const journal = write(path, [1, 2, 3]);
  journal.startOver();
  journal.append([payload(4)]);
  journal.close();
  assert.throws(() => recovered(path, 1), /the journal lacks groups 2 to 3: the store is damaged/);
});

it('gives back what a very large group took', () => {
  const path = join(directory, 'large');
  const journal = write(path, []);
  journal.append([Buffer.alloc(20 * 1024 * 1024, 1)]);
  journal.startOver();
  journal.append([payload(2)]);
  journal.close();
  assert.ok(readFileSync(path).length <= 16 * 1024 * 1024);
  const copy = join(directory, 'copy');
  copyFileSync(path, copy);
  assert.deepEqual(recovered(copy, 1), [2]);
});
