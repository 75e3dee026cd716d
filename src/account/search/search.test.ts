// Searches over one small mailbox, each key by what it finds.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { MailboxId } from '../../mail/ids.ts';
import { isMailError } from '../../mail/mail-error.ts';
import type { SearchKey } from '../../mail/search-key.ts';
import type { AccountPort } from '../port.ts';
import { newMessage, newOperation, openTestHosts, type TestHosts, testAccountId } from '../testing.ts';

let opened: TestHosts;
let account: AccountPort;
let inbox: MailboxId;

const texts = [
  // 1
  'From: =?utf-8?q?J=C3=BCrgen_Gro=C3=9F?= <jg@example.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe_aus_Wien?=\r\nDate: Sun, 1 Mar 2026 23:30:00 -0500\r\nMessage-ID: <1@t>\r\n\r\nServus!\r\n',
  // 2
  'From: Ann <ann@example.test>\r\nSubject: Invoice 4711\r\nDate: Mon, 2 Mar 2026 08:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n' +
    `${Buffer.from('Please pay the enclosed bill,\r\nÉtienne').toString('base64')}\r\n`,
  // 3
  'From: bob@example.test\r\nSubject: Folded\r\n subject line\r\nX-Empty:\r\n\r\nThe body mentions invoice too.\r\n',
  // 4: large enough that its header is kept in the summary
  `From: eve@example.test\r\nSubject: Large\r\nDate: Tue, 3 Mar 2026 08:00:00 +0000\r\n\r\n${'filler '.repeat(3000)}needle at the end\r\n`,
  // 5: in the blob store
  `From: eve@example.test\r\nSubject: Huge\r\nIn-Reply-To: <1@t>\r\n\r\n${'filler '.repeat(20_000)}second needle\r\n`,
];

before(async () => {
  opened = await openTestHosts();
  account = await opened.hosts.open(testAccountId);
  const flags = [['\\Seen'], ['Work'], ['\\Seen', 'work', '\\Flagged'], [], ['\\Deleted']];
  const dates = [0, 86_400, 86_400 + 86_399, 172_800, 172_801];
  const messages = texts.map((text, index) => ({
    ...newMessage(text, flags[index]),
    internalDate: dates[index],
  }));
  const appended = await account.append({ operation: newOperation(), target: { role: 'inbox' }, messages });
  inbox = appended.mailboxId;
});
after(() => opened.hosts.close());

const header = (field: string, text: string): SearchKey => ({ type: 'header', field, text });
const day = (year: number, month: number, date: number) => Date.UTC(year, month - 1, date) / 86_400_000;

const cases: readonly (readonly [what: string, key: SearchKey, uids: readonly number[]])[] = [
  ['all', { type: 'all' }, [1, 2, 3, 4, 5]],
  ['a system flag', { type: 'flag', name: '\\seen', set: true }, [1, 3]],
  ['its absence', { type: 'flag', name: '\\Seen', set: false }, [2, 4, 5]],
  ['a keyword in any letter case', { type: 'flag', name: 'WORK', set: true }, [2, 3]],
  ['an unknown keyword', { type: 'flag', name: 'nope', set: true }, []],
  ['without an unknown keyword', { type: 'flag', name: 'nope', set: false }, [1, 2, 3, 4, 5]],
  ['uid ranges', { type: 'uids', ranges: [2, 3, 5, 4_294_967_295] }, [2, 3, 5]],
  ['no uid ranges', { type: 'uids', ranges: [] }, []],
  ['larger', { type: 'largerThan', bytes: 10_000 }, [4, 5]],
  ['smaller', { type: 'smallerThan', bytes: 10_000 }, [1, 2, 3]],
  ['internal date on', { type: 'date', of: 'internal', compare: 'on', day: 1 }, [2, 3]],
  ['internal date before', { type: 'date', of: 'internal', compare: 'before', day: 1 }, [1]],
  ['internal date since', { type: 'date', of: 'internal', compare: 'since', day: 2 }, [4, 5]],
  [
    'the Date header disregards its zone',
    { type: 'date', of: 'sent', compare: 'on', day: day(2026, 3, 1) },
    [1],
  ],
  ['sent since', { type: 'date', of: 'sent', compare: 'since', day: day(2026, 3, 2) }, [2, 4]],
  ['an encoded name', header('From', 'JÜRGEN GROSS'), [1]],
  ['an encoded subject', header('subject', 'grüße'), [1]],
  ['a folded subject', header('Subject', 'folded subject'), [3]],
  ['an address', header('from', 'EVE@'), [4, 5]],
  ['a field that is there', header('X-Empty', ''), [3]],
  ['a field that is not there', header('X-None', ''), []],
  ['decoded body', { type: 'body', text: 'ENCLOSED BILL, étienne' }, [2]],
  ['body, not header', { type: 'body', text: 'invoice' }, [3]],
  ['text: header and body', { type: 'text', text: 'invoice' }, [2, 3]],
  ['the end of large bodies', { type: 'body', text: 'needle' }, [4, 5]],
  ['a blob', { type: 'text', text: 'second  needle' }, [5]],
  ['not', { type: 'not', key: { type: 'body', text: 'needle' } }, [1, 2, 3]],
  [
    'and',
    {
      type: 'and',
      keys: [
        { type: 'body', text: 'needle' },
        { type: 'flag', name: '\\Deleted', set: true },
      ],
    },
    [5],
  ],
  [
    'or',
    { type: 'or', keys: [header('subject', 'large'), { type: 'flag', name: '\\Flagged', set: true }] },
    [3, 4],
  ],
  ['nothing or nothing', { type: 'or', keys: [] }, []],
  ['nothing and nothing', { type: 'and', keys: [] }, [1, 2, 3, 4, 5]],
  ['email id', { type: 'emailId', emailId: 3 }, [3]],
  ['thread id', { type: 'threadId', threadId: 1 }, [1]],
  ['changed since', { type: 'modSeqSince', modSeq: 1_000_000 }, []],
];

for (const [what, key, uids] of cases) {
  test(`search: ${what}`, async () => {
    assert.deepEqual([...(await account.search(inbox, key))], uids);
  });
}

test('a key that is too deep or too large is refused', async () => {
  let deep: SearchKey = { type: 'all' };
  for (let depth = 0; depth < 60; depth++) deep = { type: 'not', key: deep };
  const wide: SearchKey = {
    type: 'or',
    keys: Array.from({ length: 1001 }, () => ({ type: 'all' as const })),
  };
  for (const key of [deep, wide]) {
    await assert.rejects(account.search(inbox, key), (error) => isMailError(error, 'limitReached'));
  }
});
