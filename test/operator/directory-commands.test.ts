// rookery domain, account, alias, mailbox and token against a running server: what they print, with and without --json, how they
// end, and that what they say is so for the protocols.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { ImapFlow } from 'imapflow';
import { exitCodes } from '../../src/operator/exit-codes.ts';
import { storeMessage } from '../account-content.ts';
import { makeTemporaryFolder, type RunOptions } from '../run-program.ts';
import { addressOf, passwordOf, runRookery, ServerProcess } from '../server-process.ts';

type Row = Record<string, unknown>;

describe('the command line', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({ accounts: ['alice'] });
  });
  after(() => server.stop());

  const json = <T = Row>(line: string, options?: RunOptions): Promise<T> =>
    server.json<T>(line.split(' '), options);
  const fails = async (line: string, code: number, telling: RegExp, options?: RunOptions): Promise<void> => {
    const ended = await server.rookery(line.split(' '), options);
    assert.equal(ended.code, code, `${line}\n${ended.stdout}${ended.stderr}`);
    assert.match(ended.stderr, telling);
    assert.equal(ended.stdout, '', 'results alone go to standard output');
  };
  const canLogIn = async (user: string, password: string): Promise<boolean> => {
    const auth = { user, pass: password };
    const place = { host: '127.0.0.1', port: server.ports.imap, secure: false, doSTARTTLS: false } as const;
    const client = new ImapFlow({ ...place, auth, logger: false });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.logout();
      return true;
    } catch (error) {
      assert.equal((error as { authenticationFailed?: boolean }).authenticationFailed, true);
      return false;
    }
  };

  test('domains', async () => {
    const added = await json('domain add Second.TEST --description note');
    const expected = {
      name: 'second.test',
      enabled: true,
      aliasOf: null,
      catchAll: null,
      postmaster: null,
      accountsMax: null,
      quotaBytesMax: null,
      description: 'note',
    };
    assert.deepEqual(added, expected);
    assert.deepEqual(await json('domain show second.test'), expected);
    const limited = await json('domain set second.test --max-accounts 20 --max-quota 10G');
    assert.deepEqual(limited, { ...expected, accountsMax: 20, quotaBytesMax: 10 * 1024 ** 3 });
    const free = await json('domain set second.test --max-accounts none --max-quota none');
    assert.deepEqual(free, expected);
    const names = (await json<Row[]>('domain list')).map(({ name }) => name);
    assert.deepEqual(names, ['example.test', 'second.test']);
    const table = (await server.rookery(['domain', 'list'])).stdout;
    assert.match(table, /^NAME +ENABLED +ALIAS OF +CATCH ALL +POSTMASTER +DESCRIPTION$/m);
    assert.match(table, /^second\.test +yes +- +- +- +note$/m);
    assert.equal((await json('domain set second.test --enabled no')).enabled, false);
    assert.equal((await json('domain set second.test --alias-of example.test')).aliasOf, 'example.test');
    assert.equal((await json('domain set second.test --alias-of none')).aliasOf, null);
    await fails('domain add second.test', exitCodes.failure, /second\.test/);
    await fails('domain add not_a_domain..', exitCodes.failure, /rookery: /);
    assert.equal((await server.rookery(['domain', 'remove', 'second.test'])).code, 0);
    await fails('domain show second.test', exitCodes.notFound, /no domain second\.test/);
    await fails('domain remove example.test', exitCodes.failure, /account/);
  });

  test('accounts, and their passwords from standard input', async () => {
    const added = await json('account add bob@example.test --full-name Bob', {
      input: 'first secret\nmore\n',
    });
    assert.equal(added.address, 'bob@example.test');
    assert.equal(added.fullName, 'Bob');
    assert.equal('password' in added, false);
    assert.equal(await canLogIn('bob@example.test', 'first secret'), true);
    await server.rookery(['account', 'password', 'bob@example.test'], { input: 'second secret' });
    assert.equal(await canLogIn('bob@example.test', 'first secret'), false);
    assert.equal(await canLogIn('bob@example.test', 'second secret'), true);
    const made = await json('account password bob@example.test --random-password');
    assert.equal(await canLogIn('bob@example.test', String(made.password)), true);
    const address = await json('account set bob@example.test --address robert@example.test');
    assert.deepEqual(address.addresses, ['robert@example.test']);
    assert.equal((await json('account show robert@example.test')).address, 'bob@example.test');
    await json('account set bob@example.test --enabled no');
    assert.equal(await canLogIn('bob@example.test', String(made.password)), false);
    const listed = await json<Row[]>('account list --domain example.test');
    assert.deepEqual(listed.map(({ address: each }) => each).sort(), [
      'alice@example.test',
      'bob@example.test',
    ]);
    await fails('account add bob@example.test --no-password', exitCodes.failure, /robert|bob@example\.test/);
    await fails('account add x@example.test', exitCodes.usage, /password is empty/);
    await fails(
      'account add x@elsewhere.test --no-password',
      exitCodes.failure,
      /elsewhere\.test .*add it first/,
    );
    assert.equal((await server.rookery(['account', 'remove', 'bob@example.test'])).code, 0);
    await fails('account show bob@example.test', exitCodes.notFound, /rookery account list/);
    await fails('account set bob@example.test --enabled maybe', exitCodes.usage, /maybe/);
  });

  test('a service that is switched off, and app passwords', async () => {
    await json('account add carol@example.test', { input: 'carol secret\n' });
    const app = await json('account app-password add carol@example.test phone --services imap');
    assert.equal(await canLogIn('carol@example.test', String(app.password)), true);
    const [shown] = await json<Row[]>('account app-password list carol@example.test');
    assert.equal(shown!.name, 'phone');
    assert.equal('password' in shown!, false);
    await server.rookery(['account', 'app-password', 'remove', 'carol@example.test', String(app.id)]);
    assert.equal(await canLogIn('carol@example.test', String(app.password)), false);
    await json('account set carol@example.test --services pop3,smtp');
    assert.equal(await canLogIn('carol@example.test', 'carol secret'), false);
  });

  test('groups, shared accounts, and who may use their mailboxes', async () => {
    const { shared } = await json('account add office@example.test --no-password --shared yes');
    assert.equal(shared, true);
    const groups = async () => (await json('account show alice@example.test')).groups;
    await json('account set alice@example.test --group staff --group sales');
    assert.deepEqual(await groups(), ['staff', 'sales']);
    const inbox = 'office@example.test INBOX';
    const owner = { identifier: 'office@example.test', rights: 'lrswipkxtea' };
    assert.deepEqual(await json(`mailbox acl show ${inbox}`), [owner]);
    const staff = { identifier: 'group=staff', rights: 'lrs' };
    assert.deepEqual(await json(`mailbox acl set ${inbox} group=staff lrs`), [owner, staff]);
    assert.match(
      (await server.rookery(['mailbox', 'acl', 'show', ...inbox.split(' ')])).stdout,
      /^group=staff +lrs$/m,
    );
    const seen = async (): Promise<string[]> => {
      const auth = { user: 'alice@example.test', pass: passwordOf('alice') };
      const place = { host: '127.0.0.1', port: server.ports.imap, secure: false, doSTARTTLS: false } as const;
      const client = new ImapFlow({ ...place, auth, logger: false });
      await client.connect();
      const listed = await client.list();
      await client.logout();
      return listed.map(({ path }) => path).filter((path) => path.startsWith('Shared/'));
    };
    assert.deepEqual(await seen(), ['Shared/office@example.test/INBOX']);
    await fails(`mailbox acl set ${inbox} nobody@example.test lr`, exitCodes.failure, /nobody@example\.test/);
    await fails(`mailbox acl set ${inbox} group=staff lrq`, exitCodes.failure, /lrq/);
    await fails('mailbox acl show office@example.test Nowhere', exitCodes.notFound, /Nowhere/);
    assert.equal(
      (await server.rookery(['mailbox', 'acl', 'remove', ...inbox.split(' '), 'group=staff'])).code,
      0,
    );
    assert.deepEqual(await json(`mailbox acl show ${inbox}`), [owner]);
    assert.deepEqual(await seen(), []);
    await json('account set alice@example.test --no-groups');
    assert.deepEqual(await groups(), []);
  });

  test('aliases', async () => {
    const added = await json('alias add team@example.test alice@example.test out@elsewhere.test');
    const targets = ['alice@example.test', 'out@elsewhere.test'];
    assert.deepEqual(added, { address: 'team@example.test', targets, enabled: true });
    const changed = await json('alias set team@example.test alice@example.test --enabled no');
    assert.deepEqual(changed, {
      address: 'team@example.test',
      targets: ['alice@example.test'],
      enabled: false,
    });
    assert.deepEqual(await json<Row[]>('alias list'), [changed]);
    assert.deepEqual(await json('alias show team@example.test'), changed);
    await fails('alias add alice@example.test x@example.test', exitCodes.failure, /alice@example\.test/);
    assert.equal((await server.rookery(['alias', 'remove', 'team@example.test'])).code, 0);
    await fails('alias show team@example.test', exitCodes.notFound, /no alias/);
    assert.equal((await server.rookery(['alias', 'list'])).stdout, '(none)\n');
  });

  test('quota and mailboxes', async () => {
    const set = await json('account quota alice@example.test --bytes 1K --messages 2');
    assert.deepEqual([set.bytesMax, set.messagesMax], [1024, 2]);
    const text = 'Subject: one\r\n\r\nx\r\n';
    await storeMessage(server.admin, 'alice', { bytes: text });
    const used = await json('account quota alice@example.test');
    assert.deepEqual([used.bytesUsed, used.messagesUsed], [text.length, 1]);
    const large = { bytes: 'x'.repeat(2000) };
    await assert.rejects(storeMessage(server.admin, 'alice', large), { exitCode: exitCodes.failure });
    const rows = await json<Row[]>('mailbox list alice@example.test');
    const inbox = rows.find(({ name }) => name === 'INBOX')!;
    assert.deepEqual([inbox.messages, inbox.unseen, inbox.bytes], [1, 1, text.length]);
    const freed = await json('account quota alice@example.test --bytes none --messages none');
    assert.deepEqual([freed.bytesMax, freed.messagesMax], [null, null]);
    const table = (await server.rookery(['mailbox', 'list', 'alice@example.test'])).stdout;
    assert.match(table, /^Drafts +drafts +0 +0 +0 +/m);
  });

  test('help, version, mistakes, and a server that is not there', async () => {
    const help = await runRookery(['--help']);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /Exit codes: 0 success, 1 failure, 2 usage, 3 unreachable/);
    assert.match((await runRookery(['version'])).stdout, /^rookery \d+\.\d+\.\d+\n$/);
    assert.equal(JSON.parse((await runRookery(['version', '--json'])).stdout).node, process.version);
    await fails('account frobnicate', exitCodes.usage, /frobnicate/);
    await fails('account add', exitCodes.usage, /address/);
    await fails('domain list --frobnicate', exitCodes.usage, /frobnicate/);
    await fails('token add x --scope everything', exitCodes.usage, /expected one of read, write:directory/);
    await fails('token remove x', exitCodes.notFound, /no token x/);
    await fails('account app-password remove alice@example.test x', exitCodes.notFound, /no app password x/);
    await fails('account password alice@example.test', exitCodes.usage, /--random-password/, { input: '' });
    const within = await runRookery(['account', 'add', '--help']);
    assert.match(within.stdout, /--random-password.*Global Options:.*--data <dir>.*--json/s);
    const refused = await server.rookery(['--json', 'account', 'show', 'nobody@example.test']);
    assert.equal(refused.code, exitCodes.notFound);
    assert.equal(refused.stdout, '');
    const { error, exitCode } = JSON.parse(refused.stderr) as Row;
    assert.match(String(error), /no account nobody@example\.test/);
    assert.equal(exitCode, exitCodes.notFound);
    assert.match(
      (await server.rookery(['account', 'show', 'alice@example.test'])).stdout,
      /^createdAt: +20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\ncell: +main$/m,
    );
    await using folder = await makeTemporaryFolder();
    const away = await runRookery(['--data', folder.path, 'domain', 'list']);
    assert.equal(away.code, exitCodes.unreachable);
    assert.match(away.stderr, /cannot reach the server at .*admin\.sock .*rookery serve/);
    const wrongPort = await runRookery(['--server', 'http://127.0.0.1:9', '--token', 'x', 'domain', 'list']);
    assert.equal(wrongPort.code, exitCodes.unreachable);
    await writeFile(folder.at('file'), '');
    const noPlace = await runRookery(['quickstart', '--data', folder.at('file')]);
    assert.equal(noPlace.code, exitCodes.failure);
    const why =
      /^rookery: cannot use \S+file as the data directory: there is a file of that name; .*--data\n$/;
    assert.match(noPlace.stderr, why, 'told in one line');
  });

  test('tokens reach the server over TCP', async () => {
    const made = await json('token add monitoring --scope read');
    const place = ['--server', `http://127.0.0.1:${server.ports.admin}`];
    const listed = await runRookery([...place, '--token', String(made.token), 'account', 'list', '--json']);
    assert.equal(listed.code, 0, listed.stderr);
    assert.ok((JSON.parse(listed.stdout) as Row[]).some(({ address }) => address === addressOf('alice')));
    const writing = [...place, '--token', String(made.token), 'domain', 'add', 'third.test'];
    const refused = await runRookery(writing);
    assert.equal(refused.code, exitCodes.failure);
    assert.match(refused.stderr, /lacks the scope "write:directory"/);
    const tokens = await json<Row[]>('token list');
    assert.deepEqual(
      tokens.map(({ name, scopes }) => [name, scopes]),
      [['monitoring', ['read']]],
    );
    await server.rookery(['token', 'remove', String(made.id)]);
    const revoked = await runRookery([...place, 'account', 'list'], {
      env: { ROOKERY_TOKEN: String(made.token) },
    });
    assert.equal(revoked.code, exitCodes.failure);
    assert.match(revoked.stderr, /--token TOKEN or ROOKERY_TOKEN/);
  });

  test('passwords and messages are not in the log', async () => {
    assert.equal(await canLogIn(addressOf('alice'), passwordOf('alice')), true);
    assert.doesNotMatch(server.stdout, /secret/);
  });
});
