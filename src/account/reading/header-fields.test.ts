// Chosen header fields against a slow reading of each message's bytes: whatever is asked in whatever pieces, first and again,
// while messages come and go.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { headerFields } from '../../mail/header.ts';
import type { MailboxId } from '../../mail/ids.ts';
import type { AccountPort } from '../port.ts';
import type { HeaderFieldsChoice } from '../port-reads.ts';
import { AccountKeys } from '../records/account-keys.ts';
import { newMessage, newOperation, openTestHosts, testAccountId, unloadAccount } from '../testing.ts';

/** RFC 9051 6.4.5, a string at a time. */
function slowly(bytes: Buffer, { names, matching }: HeaderFieldsChoice): string {
  const { offsets, count, fieldsEnd, end } = headerFields(bytes);
  const text = bytes.toString('latin1');
  let told = '';
  for (let index = 0; index < count; index++) {
    const [start, nameEnd, , fieldEnd] = offsets.subarray(index * 4, index * 4 + 4);
    const name = text.slice(start, nameEnd).toLowerCase();
    if ((name !== '' && names.includes(name)) !== matching) continue;
    told += text.slice(start, fieldEnd);
    const isLastOfItsKind =
      index + 1 === count ||
      names.includes(text.slice(offsets[index * 4 + 4], offsets[index * 4 + 5]).toLowerCase()) !== matching;
    if (isLastOfItsKind && !told.endsWith('\n')) told += '\r\n';
  }
  return bytes.length > end || end > fieldsEnd ? `${told}\r\n` : told;
}

/** All answers to one list of uids, pulled to its end, by uid. */
async function pulled(
  account: AccountPort,
  mailboxId: MailboxId,
  asked: { uids: Uint32Array; choice: HeaderFieldsChoice; bytesMax: number },
): Promise<Map<number, string>> {
  const { uids, ...options } = asked;
  const found = new Map<number, string>();
  for (let at = 0; at < uids.length; ) {
    const told = await account.readHeaderFields(mailboxId, uids.subarray(at), options);
    assert.ok(told.answered > 0 && told.answered <= uids.length - at);
    assert.ok(told.uids.length <= 1 || told.bytes.length <= options.bytesMax, 'more than was to come');
    assert.equal(told.bytes.length, told.ends.at(-1) ?? 0);
    const text = Buffer.from(told.bytes).toString('latin1');
    for (const [row, uid] of told.uids.entries()) {
      assert.ok(uids.subarray(at, at + told.answered).includes(uid));
      found.set(uid, text.slice(row === 0 ? 0 : told.ends[row - 1], told.ends[row]));
    }
    at += told.answered;
  }
  return found;
}

const line = fc.constantFrom(
  'Subject: one\r\n',
  'SUBJECT: two\r\n',
  'subject:three\n',
  'From: Ann <ann@example.test>\r\n',
  'X-Long: first\r\n\tsecond\r\n  third\r\n',
  'To: bob@example.test,\r\n carl@example.test\r\n',
  'no field at all\r\n',
  ' \r\n',
  'Empty:\r\n',
  `X-Wide: ${'w'.repeat(900)}\r\n`,
);
const message = fc
  .tuple(
    fc.array(line, { maxLength: 8 }),
    fc.constantFrom('\r\n', '\n', ''),
    fc.constantFrom('', 'text\r\n', 'Subject: of the body\r\n', 'x'.repeat(9_000), 'y'.repeat(70_000)),
  )
  .map(([lines, blank, body]) => Buffer.from(lines.join('') + blank + body, 'latin1'));
/** Headers that no summary holds: of a small message, of a large one. */
const longHeader = (bytes: number) =>
  Buffer.from(`Subject: long\r\nX-Long: ${'l'.repeat(bytes)}\r\n\r\ntext\r\n`);
const name = fc.constantFrom('subject', 'from', 'x-long', 'to', 'empty', 'x-wide', 'none');
/** Half of them are asked for again and again. */
const choice = fc.oneof(
  fc.record({ names: fc.constant(['subject', 'x-wide']), matching: fc.boolean() }),
  fc.record({ names: fc.array(name, { minLength: 1, maxLength: 4 }), matching: fc.boolean() }),
);
const step = fc.record({
  added: fc.array(message, { minLength: 1, maxLength: 12 }),
  /** Uids are spread over several pages by messages that come and go. */
  gap: fc.nat(300),
  removedEvery: fc.integer({ min: 2, max: 12 }),
  asked: fc.array(
    fc.record({
      choice,
      every: fc.integer({ min: 1, max: 3 }),
      bytesMax: fc.constantFrom(1, 700, 5_000, 1_000_000),
    }),
    { minLength: 1, maxLength: 3 },
  ),
});

for (const [what, searchMemoryBytesMax] of [
  ['with room for what is kept', 10_000_000],
  ['with room for little', 3_000],
  ['with room for nothing', 0],
] as const) {
  test(`the fields of any messages, in any pieces, first and again, ${what}`, async () => {
    const steps = fc.array(step, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(steps, async (taken) => {
        const { hosts } = await openTestHosts({ limits: { searchMemoryBytesMax } });
        const account = await hosts.open(testAccountId);
        const { id } = (await account.openMailbox({ role: 'inbox' }, { claimRecent: false })).info;
        const known = new Map<number, Buffer>();
        const add = async (texts: readonly Buffer[]): Promise<Uint32Array> => {
          const messages = texts.map((text) => newMessage(text));
          return (await account.append({ operation: newOperation(), target: { id }, messages })).uids;
        };
        const remove = async (uids: Uint32Array): Promise<void> => {
          await account.expunge({ operation: newOperation(), mailboxId: id, uids, anyFlags: true });
          for (const uid of uids) known.delete(uid);
        };
        const seen: number[] = [];
        for (const { added, gap, removedEvery, asked } of taken) {
          const texts = [...added, longHeader(5_000)];
          for (const [at, uid] of (await add(texts)).entries()) known.set(uid, texts[at]!);
          seen.push(...known.keys());
          await remove(await add(new Array<Buffer>(gap).fill(Buffer.from('Subject: gap\r\n\r\n'))));
          for (const one of asked) {
            const uids = Uint32Array.from(new Set(seen)).sort();
            const some = uids.filter((_, at) => at % one.every === 0);
            for (const list of [some, uids]) {
              const expected = [...list].flatMap((uid) => {
                const bytes = known.get(uid);
                return bytes === undefined ? [] : [[uid, slowly(bytes, one.choice)] as const];
              });
              assert.deepEqual([...(await pulled(account, id, { ...one, uids: list }))], expected);
            }
          }
          await remove(Uint32Array.from(known.keys()).filter((_, at) => at % removedEvery === 0));
        }
        await hosts.close();
      }),
      { numRuns: 25 },
    );
  });
}

const subject: HeaderFieldsChoice = { names: ['subject'], matching: true };

test('what was answered once is answered again without reading, until the account is read anew', async () => {
  const { hosts, engine } = await openTestHosts();
  const account = await hosts.open(testAccountId);
  const appended = await account.append({
    operation: newOperation(),
    target: { role: 'inbox' },
    messages: [newMessage('Subject: a\r\n\r\n1'), newMessage('Subject: b\r\n\r\n2')],
  });
  const { mailboxId, uids, emailIds } = appended;
  const asked = { uids, choice: subject, bytesMax: 1e6 };
  const told = [...(await pulled(account, mailboxId, asked)).values()];
  assert.deepEqual(told, ['Subject: a\r\n\r\n', 'Subject: b\r\n\r\n']);
  const keys = new AccountKeys(testAccountId);
  const deletes = [...emailIds].flatMap((id) => [keys.summary(id), keys.email(id), keys.content(id)]);
  await engine.commit({ deletes });
  assert.deepEqual([...(await pulled(account, mailboxId, asked)).values()], told);
  const others = { ...asked, choice: { ...subject, names: ['from'] } };
  assert.deepEqual([...(await pulled(account, mailboxId, others)).values()], []);
  await unloadAccount(hosts);
  assert.deepEqual([...(await pulled(account, mailboxId, asked)).values()], []);
  await hosts.close();
});

test('a name with a space in it is not two names, and no uids are too many', async () => {
  const { hosts } = await openTestHosts();
  const account = await hosts.open(testAccountId);
  const text = 'From: a\r\nSubject: b\r\n\r\n';
  const appended = await account.append({
    operation: newOperation(),
    target: { role: 'inbox' },
    messages: [newMessage(text)],
  });
  const uids = Uint32Array.from({ length: 20_000 }, (_, at) => at + 1);
  for (const [names, expected] of [
    [['from', 'subject'], text],
    [['from subject'], '\r\n'],
    [['from', 'subject'], text],
    [['subject', 'from', 'subject'], text],
  ] as const) {
    const asked = { uids, choice: { names, matching: true }, bytesMax: 1000 };
    assert.deepEqual([...(await pulled(account, appended.mailboxId, asked))], [[1, expected]]);
  }
  await hosts.close();
});

test('an answer that is full to the last byte leaves out nothing', async () => {
  const { hosts } = await openTestHosts();
  const account = await hosts.open(testAccountId);
  const messages = Array.from({ length: 40 }, (_, at) => newMessage(`Subject: ${at + 10}\r\n\r\n`));
  const appended = await account.append({ operation: newOperation(), target: { role: 'inbox' }, messages });
  const { mailboxId, uids } = appended;
  const bytesOfOne = 'Subject: 10\r\n\r\n'.length;
  for (const count of [1, 16, 32, 39, 40]) {
    // Of other fields too, so that it is not kept from the time before.
    const asked = { uids, choice: { names: ['subject', `x-${count}`], matching: true } };
    for (const _ of ['first', 'again']) {
      const told = await pulled(account, mailboxId, { ...asked, bytesMax: count * bytesOfOne });
      assert.deepEqual([...told.keys()], [...uids]);
    }
  }
  await hosts.close();
});

test('a lost or damaged summary is made again, a long header is read, two who ask at once get the same', async () => {
  const { hosts, engine } = await openTestHosts();
  const account = await hosts.open(testAccountId);
  const texts = ['Subject: a\r\n\r\n1', 'Subject: b\r\n\r\n2', longHeader(5_000), longHeader(600_000)];
  const messages = texts.map((text) => newMessage(text));
  const appended = await account.append({ operation: newOperation(), target: { role: 'inbox' }, messages });
  const { mailboxId, uids, emailIds } = appended;
  const keys = new AccountKeys(testAccountId);
  await engine.commit({
    deletes: [keys.summary(emailIds[0]!)],
    puts: [{ key: keys.summary(emailIds[1]!), value: Buffer.from('damaged') }],
  });
  const others: HeaderFieldsChoice = { names: ['subject'], matching: false };
  for (const choice of [subject, others]) {
    const expected = texts.map((text) => slowly(Buffer.from(text), choice));
    const asked = { uids, choice, bytesMax: 4_000 };
    const both = await Promise.all([pulled(account, mailboxId, asked), pulled(account, mailboxId, asked)]);
    for (const told of both) assert.deepEqual([...told.values()], expected);
  }
  await hosts.close();
});
