import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AddressGroup, decodedName, listedAddressText, parseAddressList } from './address-list.ts';

/** One line an address: name|route|mailbox|host; groups as "[name" … "]". */
function shown(groups: readonly AddressGroup[]): string[] {
  return groups.flatMap((group) => {
    const lines = group.addresses.map((a) => `${a.name ?? ''}|${a.route ?? ''}|${a.mailbox}|${a.host}`);
    return group.name === undefined ? lines : [`[${group.name}`, ...lines, ']'];
  });
}

const cases: [string, string[]][] = [
  ['a@b.test', ['||a|b.test']],
  ['<a@b.test>', ['||a|b.test']],
  ['Joe Q. Public <john.q.public@example.com>', ['Joe Q. Public||john.q.public|example.com']],
  ['"Giant; \\"Big\\" Box" <x@y.test>', ['Giant; "Big" Box||x|y.test']],
  ['a@b.test, c@d.test,,e@f.test,', ['||a|b.test', '||c|d.test', '||e|f.test']],
  ['user@domain (Real Name)', ['Real Name||user|domain']],
  ['Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>', ['Pete||pete|silly.test']],
  [
    'group: g1@d1.org, g2@d2.org;, group2: g3@d3.org;',
    ['[group', '||g1|d1.org', '||g2|d2.org', ']', '[group2', '||g3|d3.org', ']'],
  ],
  ['Undisclosed recipients:;', ['[Undisclosed recipients', ']']],
  ['undisclosed-recipients:', ['[undisclosed-recipients', ']']],
  ['a@b.test, g: c@d.test; , e@f.test', ['||a|b.test', '[g', '||c|d.test', ']', '||e|f.test']],
  ['<@route:user@domain>', ['|@route|user|domain']],
  ['<@a.test,@b.test:user@domain>', ['|@a.test,@b.test|user|domain']],
  [
    'Mary Smith <@node.test:mary@example.net>, , jdoe@test   . example',
    ['Mary Smith|@node.test|mary|example.net', '||jdoe|test.example'],
  ],
  ['"john doe"@example.test', ['||john doe|example.test']],
  ['john', ['||john|']],
  ['John Doe', ['||John Doe|']],
  ['Name <>', ['Name|||']],
  ['=?utf-8?Q?a,b?= <a@b.test>', ['=?utf-8?Q?a,b?=||a|b.test']],
  ['"unterminated <a@b.test>', ['||unterminated <a@b.test>|']],
  ['Foo <a@b.test', ['Foo||a|b.test']],
  ['a@[192.0.2.1]', ['||a|[192.0.2.1]']],
  ['foo@bar@baz.test', ['||foo@bar|baz.test']],
  ['', []],
  [' , ,; ', []],
];

/** Whom the list begins with. */
function first([group]: readonly AddressGroup[]): unknown {
  return [group?.name, group?.addresses[0]];
}

for (const [value, expected] of cases) {
  test(`address list ${JSON.stringify(value)}`, () => {
    assert.deepEqual(shown(parseAddressList(value)), expected);
    assert.deepEqual(first(parseAddressList(value, 1)), first(parseAddressList(value)));
  });
}

test('names and addresses for people are decoded', () => {
  const [group] = parseAddressList('=?ISO-8859-1?Q?Keld_J=F8rn?= Simonsen <k\xc3\xa9ld@dkuug.dk>');
  assert.equal(decodedName(group!.addresses[0]!.name), 'Keld Jørn Simonsen');
  assert.equal(listedAddressText(group!.addresses[0]!), 'kéld@dkuug.dk');
});

test('a list of any length ends at its limit', () => {
  const groups = parseAddressList('a@b.test,'.repeat(20_000));
  assert.equal(groups[0]!.addresses.length, 10_000);
});
