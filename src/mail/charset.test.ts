import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeCharset } from './charset.ts';

const cases: [string, string, string][] = [
  ['utf-8', 'c3a4', 'ä'],
  ['UTF8', 'efbbbfc3a4', 'ä'],
  ['utf-8', 'c3', '\ufffd'],
  ['us-ascii', 'c3a4', 'ä'],
  ['us-ascii', 'e4', 'ä'],
  ['', '80', '€'],
  ['iso-8859-1', 'e4', 'ä'],
  ['iso8859_15', 'a4', '€'],
  ['windows-1252', '80', '€'],
  ['cp1251', 'cf', 'П'],
  ['koi8-u', 'a4', 'є'],
  ['gb18030', 'd6d0', '中'],
  ['big5', 'a4a4', '中'],
  ['cp932', '93fa', '日'],
  ['euc-kr', 'c7d1', '한'],
  ['iso-2022-jp', '1b24424673 1b2842'.replaceAll(' ', ''), '二'],
  ['iso-2022-kr', '1b2429430e47510f41', '한A'],
  ['hz-gb-2312', '7e7b56507e7d41', '中A'],
  ['utf-7', '2b414f512d', 'ä'],
  ['utf-16', '00e4', 'ä'],
  ['utf-16', 'fffee400', 'ä'],
  ['cp437', '84', 'ä'],
  ['macintosh', '8a', 'ä'],
  ['x'.repeat(100), 'c3a4', 'ä'],
  ['base64', '6162', 'ab'],
  ['"utf-8"', 'c3a4', 'ä'],
];

for (const [charset, hex, expected] of cases) {
  test(`${charset.slice(0, 20)} ${hex}`, () =>
    assert.equal(decodeCharset(Buffer.from(hex, 'hex'), charset), expected));
}
