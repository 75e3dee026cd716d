// The journal: what was appended is found again, up to the last whole group, whatever a crash left of the next one.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { Journal, JournalReader } from './journal.ts';

const root = mkdtempSync(join(tmpdir(), 'rookery-journal.'));
after(() => rmSync(root, { recursive: true }));

function makeDirectory(name: string): string {
  const directory = join(root, name);
  mkdirSync(directory);
  return directory;
}

const payload = (number: number): Buffer => Buffer.alloc(10 + number * 17, number);

/** The numbers of the groups behind `from`. */
function recovered(directory: string, from = 0): number[] {
  const journal = new Journal(directory);
  const reader = new JournalReader(directory);
  const found: number[] = [];
  try {
    journal.recover(from, (place) => {
      const group = reader.read(place);
      const number = group[0]!;
      assert.deepEqual(group, payload(number));
      found.push(number);
    });
    assert.equal(journal.sequence, from + found.length);
  } finally {
    journal.close();
    reader.close();
  }
  return found;
}

function append(journal: Journal, numbers: readonly number[]): void {
  for (const number of numbers) journal.append([payload(number).subarray(0, 5), payload(number).subarray(5)]);
}

function write(directory: string, numbers: readonly number[], from = 0): Journal {
  const journal = new Journal(directory);
  journal.recover(from, () => undefined);
  append(journal, numbers);
  return journal;
}

it('finds every group again, and only those behind the one asked for', () => {
  const directory = makeDirectory('whole');
  write(directory, [1, 2, 3, 4]).close();
  assert.deepEqual(recovered(directory), [1, 2, 3, 4]);
  assert.deepEqual(recovered(directory, 2), [3, 4]);
  assert.deepEqual(recovered(directory, 4), []);
});

it('reads a group where the append or the recovery says that it is, large ones too', () => {
  const directory = makeDirectory('places');
  const journal = write(directory, []);
  const reader = new JournalReader(directory);
  const large = Buffer.alloc(3 * 1024 * 1024, 7);
  const places = [payload(1), large, payload(2)].map((group) => journal.append([group]));
  journal.turn();
  places.push(journal.append([payload(3)]));
  const wanted = [payload(1), large, payload(2), payload(3)];
  for (const [index, place] of places.entries()) assert.deepEqual(reader.read(place), wanted[index]);
  journal.close();
  const again = new Journal(directory);
  const found: unknown[] = [];
  again.recover(0, (place) => found.push(place));
  assert.deepEqual(found, places);
  again.close();
  reader.close();
});

it('ends before a group that is cut short or changed, wherever', () => {
  const directory = makeDirectory('cut');
  write(directory, [1, 2, 3]).close();
  const path = join(directory, 'journal');
  const bytes = readFileSync(path);
  const end = bytes.lastIndexOf(3) + 1;
  const start = end - payload(3).length - 20;
  for (let cut = start; cut < end; cut++) {
    const zeroed = Buffer.from(bytes);
    zeroed.fill(0, cut, end);
    writeFileSync(path, zeroed);
    assert.deepEqual(recovered(directory), [1, 2], `cut at ${cut}`);
    const flipped = Buffer.from(bytes);
    flipped[cut]! ^= 0x10;
    writeFileSync(path, flipped);
    assert.deepEqual(recovered(directory), [1, 2], `changed at ${cut}`);
    writeFileSync(path, bytes.subarray(0, cut));
    assert.deepEqual(recovered(directory), [1, 2], `file ends at ${cut}`);
  }
});

it('does not take what an earlier round left for groups of this one', () => {
  const directory = makeDirectory('rounds');
  const journal = write(directory, [1, 2, 3, 4, 5]);
  journal.startOver();
  // As long as the first group was, so that the second round ends where an old group begins.
  append(journal, [1]);
  journal.close();
  assert.deepEqual(recovered(directory, 5), [1]);
  // A crash between the tree's flush and the next group: everything is old.
  const old = makeDirectory('old');
  const again = write(old, [1, 2, 3]);
  again.startOver();
  again.close();
  assert.deepEqual(recovered(old, 3), []);
});

it('goes on in the other file, and finds groups of both in order whichever was written first', () => {
  const directory = makeDirectory('turns');
  const journal = write(directory, [1, 2, 3]);
  journal.turn();
  append(journal, [4, 5]);
  assert.deepEqual(recovered(directory), [1, 2, 3, 4, 5]);
  assert.deepEqual(recovered(directory, 3), [4, 5]);
  // The tree has the first three: their file is written again, and less of it.
  journal.turn();
  assert.deepEqual(recovered(directory, 3), [4, 5]);
  append(journal, [6]);
  assert.deepEqual(recovered(directory, 3), [4, 5, 6]);
  assert.deepEqual(recovered(directory, 5), [6]);
  journal.turn();
  append(journal, [7, 8]);
  assert.deepEqual(recovered(directory, 5), [6, 7, 8]);
  journal.cancel();
  journal.close();
  assert.deepEqual(recovered(directory, 5), [6, 7]);
  // From here on as if it were new.
  const again = write(directory, [], 7);
  again.startOver();
  append(again, [8, 9]);
  again.close();
  assert.deepEqual(recovered(directory, 7), [8, 9]);
});

it('ends where the first group of a file is cut short', () => {
  const directory = makeDirectory('cut-turn');
  const journal = write(directory, [1, 2]);
  journal.turn();
  append(journal, [3]);
  journal.turn();
  append(journal, [4]);
  journal.cancel();
  journal.close();
  assert.deepEqual(recovered(directory, 2), [3]);
});

it('forgets a group that was taken back', () => {
  const directory = makeDirectory('cancelled');
  const journal = write(directory, [1, 2]);
  journal.cancel();
  journal.close();
  assert.deepEqual(recovered(directory), [1]);
  write(directory, [7], 1).close();
  assert.deepEqual(recovered(directory, 1), [7]);
});

it('says that groups are missing between the tree and the journal', () => {
  const directory = makeDirectory('gap');
  const journal = write(directory, [1, 2, 3]);
  journal.startOver();
  append(journal, [4]);
  journal.close();
  assert.throws(() => recovered(directory, 1), /the journal lacks groups 2 to 3: the store is damaged/);
});

it('gives back what a very large group took', () => {
  const directory = makeDirectory('large');
  const journal = write(directory, []);
  journal.append([Buffer.alloc(20 * 1024 * 1024, 1)]);
  journal.startOver();
  append(journal, [2]);
  journal.close();
  assert.ok(statSync(join(directory, 'journal')).size <= 16 * 1024 * 1024);
  assert.deepEqual(recovered(directory, 1), [2]);
});
