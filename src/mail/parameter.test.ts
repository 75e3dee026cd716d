import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodedFileName, decodedParameter, parseParameterized } from './parameter.ts';

function raw(text: string): string {
  const { value, parameters } = parseParameterized(text);
  return [value, ...parameters.map(([name, parameter]) => `${name}=${parameter}`)].join(' | ');
}

const rawCases: [string, string][] = [
  ['text/plain', 'text/plain'],
  ['text/plain; charset=utf-8', 'text/plain | charset=utf-8'],
  ['text/plain (a comment); charset=us-ascii (another)', 'text/plain | charset=us-ascii'],
  ['multipart/alternative;; boundary="foo"', 'multipart/alternative | boundary=foo'],
  ['multipart/alternative ; ; ; ;; ;;;;;;;; boundary="foo"', 'multipart/alternative | boundary=foo'],
  ['a/b; NAME = "x;y" ; z="q\\"r\\\\s"', 'a/b | name=x;y | z=q"r\\s'],
  ['a/b; name="C:\\dir\\file.txt"', 'a/b | name=C:\\dir\\file.txt'],
  ['a/b; name="not closed; x=1', 'a/b | name=not closed; x=1'],
  ['a/b; name=two words.txt; x=1', 'a/b | name=two words.txt | x=1'],
  ['a/b; name=report (1).pdf', 'a/b | name=report (1).pdf'],
  ['a/b; name==?koi8-r?B?89DJ08/LLmRvYw==?=', 'a/b | name==?koi8-r?B?89DJ08/LLmRvYw==?='],
  ['a/b; novalue; x=', 'a/b | x='],
  ['a/b; x=1" ; y="2" junk; z=3', 'a/b | x=1 | y=2 | z=3'],
  ['; x=1', ' | x=1'],
  ['', ''],
];

for (const [text, expected] of rawCases)
  test(`parameters ${JSON.stringify(text)}`, () => assert.equal(raw(text), expected));

const decodedCases: [string, string | undefined][] = [
  ['filename=plain.txt', 'plain.txt'],
  ["filename*=UTF-8''%61%C3%A4.txt", 'aä.txt'],
  ["filename*=ISO-8859-1'de'%61%E4.txt", 'aä.txt'],
  ['filename*0="foo-"; filename*1="bar.txt"', 'foo-bar.txt'],
  ['filename*1="bar.txt"; filename*0="foo-"', 'foo-bar.txt'],
  ["filename*0*=utf-8''%C3; filename*1*=%A4; filename*2=%41.txt", 'ä%41.txt'],
  ["filename=fallback.txt; filename*=utf-8''%C3%A4", 'ä'],
  ['filename="=?utf-8?B?w6Q=?="', 'ä'],
  ['filename==?utf-8?Q?=C3=A4?=', 'ä'],
  // Broken: no charset, no such digits, an encoded word within, a charset nobody knows.
  ['filename*=%C3%A4.txt', 'ä.txt'],
  ["filename*=utf-8''100%.txt", '100%.txt'],
  ["filename*=''%C3%A4", 'ä'],
  ["filename*=x-no''%E4", 'ä'],
  ['filename*0==?utf-8?Q?=C3; filename*1==A4?=', 'ä'],
  ['filename="\xc3\xa4"', 'ä'],
  ['filename="\xe4"', 'ä'],
  ['name=x', undefined],
];

for (const [text, expected] of decodedCases) {
  test(`decoded ${JSON.stringify(text)}`, () =>
    assert.equal(
      decodedParameter(parseParameterized(`attachment; ${text}`).parameters, 'filename'),
      expected,
    ));
}

test('a file name comes from the disposition, else from the type', () => {
  const named = [['name', 'type.txt']] as const;
  assert.equal(
    decodedFileName({ parameters: named, disposition: { parameters: [['filename', 'd.txt']] } }),
    'd.txt',
  );
  assert.equal(decodedFileName({ parameters: named, disposition: { parameters: [] } }), 'type.txt');
  assert.equal(decodedFileName({ parameters: [], disposition: undefined }), undefined);
});
