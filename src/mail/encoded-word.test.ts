import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeHeaderText } from './encoded-word.ts';

const cases: [string, string][] = [
  ['plain', 'plain'],
  ['=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>', 'Keith Moore <moore@cs.utk.edu>'],
  ['=?ISO-8859-1?Q?a?=', 'a'],
  ['=?ISO-8859-1?Q?a?= b', 'a b'],
  ['=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=', 'ab'],
  ['=?ISO-8859-1?Q?a?=  =?ISO-8859-2?Q?b?=', 'ab'],
  ['=?ISO-8859-1?Q?a_b?=', 'a b'],
  ['=?utf-8?B?w6TDtsO8?=', 'äöü'],
  ['=?UTF-8*de?B?w6TDtsO8?=', 'äöü'],
  // Without padding, with white space, a character cut in two.
  ['=?utf-8?b?w6Q?=', 'ä'],
  ['=?utf-8?Q?two words?=', 'two words'],
  ['=?utf-8?B?4pw=?= =?utf-8?B?kw==?=', '✓'],
  ['=?utf-8?B?4pyTIA==4pyT?=', '✓ ✓'],
  ['=?utf-8?Q?=E2=9C?= =?utf-8?Q?=93?=', '✓'],
  ['=?koi8-r?B?89DJ08/LLmRvYw==?=', 'Список.doc'],
  ['=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=', '日本'],
  ['=?gb2312?B?1tDOxA==?=', '中文'],
  ['=?x-nonsense?Q?=C3=A4?=', 'ä'],
  ['=?x-nonsense?Q?=E4?=', 'ä'],
  ['=?windows1251?Q?=CF?=', 'П'],
  // Not encoded words.
  ['=?utf-8?X?abc?=', '=?utf-8?X?abc?='],
  ['=?utf-8?Q?abc', '=?utf-8?Q?abc'],
  ['=??=', '=??='],
  ['a=?utf-8?Q?=C3=A4?=b', 'aäb'],
  ['=?utf-8?Q?=?=', '='],
  ['=?utf-8?Q?=zz=4?=', '=zz=4'],
  ['=?utf-8?Q?why=3F?=', 'why?'],
  // Raw 8-bit: UTF-8, or what old mail means.
  ['\xc3\xa4', 'ä'],
  ['\xe4', 'ä'],
  ['\xe4 =?utf-8?Q?=C3=B6?= \xc3\xbc', 'ä ö ü'],
  ['=?utf-8?B??=', ''],
];

for (const [raw, expected] of cases) {
  test(`header text ${JSON.stringify(raw)}`, () => assert.equal(decodeHeaderText(raw), expected));
}

test('words that never end are looked for once', () => {
  const raw = '=?a?q?x '.repeat(100_000);
  assert.equal(decodeHeaderText(raw), raw);
});
