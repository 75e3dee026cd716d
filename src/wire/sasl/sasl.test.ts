import assert from 'node:assert/strict';
import { createHmac, hash, pbkdf2Sync } from 'node:crypto';
import { test } from 'node:test';
import { Fault } from '../../base/fault.ts';
import { type Random, systemRandom } from '../../base/random.ts';
import { MailError } from '../../mail/mail-error.ts';
import { parseSaslInitialResponse, parseSaslLine } from './base64-line.ts';
import { opaqueString, saslPrep } from './prepare.ts';
import { type SaslAuthenticator, type SaslDependencies, type SaslStep, saslMechanisms } from './sasl.ts';
import { makeScramVerifier } from './scram.ts';
import { startSasl } from './start-sasl.ts';

interface Told {
  readonly user: string;
  readonly authorizationId: string;
  readonly password?: string;
  readonly verified?: boolean;
}

/** One user with password 'pencil' and the salt of RFC 7677. */
function authenticatorOf(told: Told[]): SaslAuthenticator<undefined, string> {
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
  const refuse = () => {
    throw new MailError('authenticationFailed', 'no');
  };
  return {
    verifyPassword: async (credentials) => {
      told.push(credentials);
      if (credentials.password === 'fault') throw new Fault('store away', { temporary: true });
      return credentials.password === 'pencil' ? credentials.user : refuse();
    },
    scramVerifier: () => makeScramVerifier('pencil', salt, 4096),
    finishScram: async ({ storedKey, ...outcome }) => {
      // The proof was checked with the verifier that was asked for.
      assert.deepEqual(storedKey, (await makeScramVerifier('pencil', salt, 4096)).storedKey);
      told.push(outcome);
      return outcome.verified ? outcome.user : refuse();
    },
  };
}

/** Gives the server nonce of RFC 7677's example, which is not base64. */
const rfcRandom: Random = {
  ...systemRandom,
  bytes: () => ({ toString: () => '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0' }) as unknown as Buffer,
};

const exporter = Buffer.from('0123456789abcdef0123456789abcdef');
const tls = {
  channelBinding: (type: string) => (type === 'tls-exporter' ? exporter : undefined),
};

function begin(name: string, more: Partial<SaslDependencies<undefined, string>> = {}) {
  const told: Told[] = [];
  const server = startSasl(name, {
    authenticator: authenticatorOf(told),
    context: undefined,
    tls: undefined,
    offered: saslMechanisms({ tls: undefined, allowCleartext: true }),
    random: systemRandom,
    ...more,
  });
  assert.ok(server !== undefined);
  const send = (text: string) => server.step(Buffer.from(text));
  return { told, server, send };
}

function text(step: SaslStep<string>): string {
  assert.equal(step.type, 'challenge');
  return Buffer.from(step.type === 'challenge' ? step.bytes : []).toString();
}

function failureKind(step: SaslStep<string>): string {
  return step.type === 'failure' ? step.reason.kind : step.type;
}

test('offers nothing in the clear unless allowed, and -PLUS only when the session can be bound to', () => {
  assert.deepEqual(saslMechanisms({ tls: undefined, allowCleartext: false }), []);
  assert.deepEqual(saslMechanisms({ tls: undefined, allowCleartext: true }), [
    'SCRAM-SHA-256',
    'PLAIN',
    'LOGIN',
  ]);
  assert.equal(saslMechanisms({ tls, allowCleartext: false })[0], 'SCRAM-SHA-256-PLUS');
  const unbindable = { channelBinding: () => undefined };
  assert.equal(saslMechanisms({ tls: unbindable, allowCleartext: false })[0], 'SCRAM-SHA-256');
});

test('PLAIN: RFC 4616 messages, with and without initial response', async () => {
  const direct = begin('plain');
  assert.deepEqual(await direct.send('Ursel\0Kurt\0pencil'), { type: 'success', principal: 'Kurt' });
  assert.deepEqual(direct.told, [{ user: 'Kurt', authorizationId: 'Ursel', password: 'pencil' }]);
  const asked = begin('PLAIN');
  assert.equal(text(await asked.server.step(undefined)), '');
  assert.deepEqual(await asked.send('\0tim\0pencil'), { type: 'success', principal: 'tim' });
  assert.equal(failureKind(await asked.send('\0tim\0pencil')), 'invalidArgument');
});

test('PLAIN: malformed messages, bad UTF-8 and wrong passwords fail, a fault is thrown', async () => {
  for (const bad of ['', '\0', 'tim', '\0tim', '\0\0pencil', '\0tim\0', '\0tim\0pen\0cil']) {
    assert.equal(failureKind(await begin('PLAIN').send(bad)), 'invalidArgument', JSON.stringify(bad));
  }
  const invalid = await begin('PLAIN').server.step(Buffer.from('\0tim\0\xff', 'latin1'));
  assert.equal(failureKind(invalid), 'invalidArgument');
  assert.equal(failureKind(await begin('PLAIN').send('\0tim\0pen')), 'authenticationFailed');
  assert.equal(failureKind(await begin('PLAIN').send('\0tim\0pen\u0007')), 'authenticationFailed');
  await assert.rejects(begin('PLAIN').send('\0tim\0fault'), Fault);
});

test('LOGIN: prompts, and a user name as initial response', async () => {
  const asked = begin('LOGIN');
  assert.equal(text(await asked.server.step(undefined)), 'Username:');
  assert.equal(text(await asked.send('tim')), 'Password:');
  assert.deepEqual(await asked.send('pencil'), { type: 'success', principal: 'tim' });
  const initial = begin('LOGIN');
  assert.equal(text(await initial.send('tim')), 'Password:');
  assert.equal(failureKind(await initial.send('wrong')), 'authenticationFailed');
});

test('SCRAM-SHA-256: the exchange of RFC 7677 section 3', async () => {
  const { told, send } = begin('SCRAM-SHA-256', { random: rfcRandom });
  assert.equal(
    text(await send('n,,n=user,r=rOprNGfwEbeRWgbNEkqO')),
    'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  );
  const final =
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';
  assert.equal(text(await send(final)), 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
  assert.deepEqual(await send(''), { type: 'success', principal: 'user' });
  assert.deepEqual(told, [{ user: 'user', authorizationId: '', verified: true }]);
});

test('SCRAM-SHA-256: data with success where the protocol carries it', async () => {
  const { send } = begin('SCRAM-SHA-256', { random: rfcRandom, dataWithSuccess: true });
  await send('n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
  const step = await send(
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  );
  assert.equal(step.type, 'success');
  assert.match(String(step.type === 'success' && Buffer.from(step.finalBytes ?? [])), /^v=6rriTRBi/);
});

/** The client's side of SCRAM, for what the RFC has no example of. */
async function runScram(options: {
  name: string;
  header: string;
  binding: Buffer;
  password: string;
  bound?: boolean;
}) {
  const offered = saslMechanisms({ tls: options.bound === false ? undefined : tls, allowCleartext: true });
  const { told, send } = begin(options.name, { tls, offered });
  const bare = 'n=us=2Cer=3D,r=abc';
  const first = await send(`${options.header}${bare}`);
  if (first.type !== 'challenge') return { told, step: first };
  const serverFirst = text(first);
  const [, nonce, salt, iterations] = /^r=(.+),s=(.+),i=(\d+)$/.exec(serverFirst)!;
  const binding = Buffer.concat([Buffer.from(options.header), options.binding]).toString('base64');
  const withoutProof = `c=${binding},r=${nonce}`;
  const hmac = (key: Buffer, data: string) => createHmac('sha256', key).update(data).digest();
  const salted = pbkdf2Sync(options.password, Buffer.from(salt!, 'base64'), Number(iterations), 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const signature = hmac(hash('sha256', clientKey, 'buffer'), `${bare},${serverFirst},${withoutProof}`);
  const proof = clientKey.map((byte, index) => byte ^ signature[index]!);
  return { told, step: await send(`${withoutProof},p=${Buffer.from(proof).toString('base64')}`) };
}

test('SCRAM-SHA-256-PLUS binds to the exporter; a foreign binding fails and is told', async () => {
  const header = 'p=tls-exporter,,';
  const good = await runScram({ name: 'SCRAM-SHA-256-PLUS', header, binding: exporter, password: 'pencil' });
  assert.match(text(good.step), /^v=/);
  assert.deepEqual(good.told, [{ user: 'us,er=', authorizationId: '', verified: true }]);
  const foreign = await runScram({
    name: 'SCRAM-SHA-256-PLUS',
    header,
    binding: Buffer.alloc(32),
    password: 'pencil',
  });
  assert.equal(failureKind(foreign.step), 'authenticationFailed');
  assert.equal(foreign.told[0]?.verified, false);
});

test('SCRAM: a wrong password fails and is told', async () => {
  const none = Buffer.alloc(0);
  const wrong = await runScram({ name: 'SCRAM-SHA-256', header: 'n,,', binding: none, password: 'pen' });
  assert.equal(failureKind(wrong.step), 'authenticationFailed');
  assert.equal(wrong.told[0]?.verified, false);
  const as = await runScram({
    name: 'SCRAM-SHA-256',
    header: 'n,a=o=3Dk,',
    binding: none,
    password: 'pencil',
  });
  assert.equal(as.told[0]?.authorizationId, 'o=k');
});

test("SCRAM: 'y' after -PLUS was offered is a downgrade; flag and mechanism must go together", async () => {
  const none = Buffer.alloc(0);
  const run = (name: string, header: string, bound = true) =>
    runScram({ name, header, binding: none, password: 'pencil', bound });
  assert.equal(failureKind((await run('SCRAM-SHA-256', 'y,,')).step), 'authenticationFailed');
  assert.match(text((await run('SCRAM-SHA-256', 'y,,', false)).step), /^v=/);
  assert.match(text((await run('SCRAM-SHA-256', 'n,,')).step), /^v=/);
  assert.equal(failureKind((await run('SCRAM-SHA-256', 'p=tls-exporter,,')).step), 'authenticationFailed');
  assert.equal(failureKind((await run('SCRAM-SHA-256-PLUS', 'n,,')).step), 'authenticationFailed');
  assert.equal(failureKind((await run('SCRAM-SHA-256-PLUS', 'p=tls-unique,,')).step), 'authenticationFailed');
});

test('SCRAM: grammar errors', async () => {
  for (const bad of [
    '',
    'n,,',
    'n,,n=user',
    'n,,n=us=2cer,r=a',
    'n,,n=u,r=',
    'n,,m=x,n=u,r=a',
    'x,,n=u,r=a',
    'n,n=u,r=a',
  ]) {
    assert.equal(failureKind(await begin('SCRAM-SHA-256').send(bad)), 'invalidArgument', bad);
  }
});

test('EXTERNAL: RFC 4422 appendix A, with and without initial response', async () => {
  const asked: unknown[] = [];
  const authenticator: SaslAuthenticator<undefined, string> = {
    ...authenticatorOf([]),
    verifyCertificate: async (identity) => {
      asked.push(identity);
      if (identity.authorizationId === 'eve') throw new MailError('authenticationFailed', 'no');
      return identity.names[0]!;
    },
  };
  const names = ['fred@example.com'];
  const secured = { ...tls, clientNames: names };
  const offered = saslMechanisms({ tls: secured, allowCleartext: false });
  assert.deepEqual(offered.slice(0, 2), ['EXTERNAL', 'SCRAM-SHA-256-PLUS']);
  assert(!saslMechanisms({ tls: { ...tls, clientNames: [] }, allowCleartext: true }).includes('EXTERNAL'));
  const external = () => begin('external', { authenticator, tls: secured, offered });
  const slow = external();
  assert.equal(text(await slow.server.step(undefined)), '');
  assert.deepEqual(await slow.send(''), { type: 'success', principal: 'fred@example.com' });
  assert.equal(failureKind(await slow.send('')), 'invalidArgument');
  const direct = external();
  assert.equal((await direct.send('fred@example.com')).type, 'success');
  assert.deepEqual(asked, [
    { names, authorizationId: '' },
    { names, authorizationId: 'fred@example.com' },
  ]);
  assert.equal(failureKind(await external().send('eve')), 'authenticationFailed');
  for (const bad of ['a\0b', 'x'.repeat(5000)])
    assert.equal(failureKind(await external().send(bad)), 'invalidArgument');
  assert.equal(failureKind(await external().server.step(Buffer.from([0xff]))), 'invalidArgument');
  const unknowing = begin('EXTERNAL', { tls: secured, offered });
  assert.equal(failureKind(await unknowing.send('')), 'authenticationFailed');
});

test('a mechanism that was not offered does not start', () => {
  const dependencies = {
    authenticator: authenticatorOf([]),
    context: undefined,
    tls: undefined,
    offered: [],
    random: systemRandom,
  };
  assert.equal(startSasl('PLAIN', dependencies), undefined);
  assert.equal(startSasl('CRAM-MD5', { ...dependencies, offered: ['PLAIN'] }), undefined);
});

test('base64 lines: strict alphabet, padding and unused bits; cancel; the empty initial response', () => {
  const bytes = (line: string) => {
    const parsed = parseSaslLine(line);
    return parsed.type === 'message' ? parsed.bytes.toString('latin1') : parsed.type;
  };
  assert.equal(bytes('AHRpbQB4\r\n'), '\0tim\0x');
  assert.equal(bytes('\r\n'), '');
  assert.equal(bytes('*\r\n'), 'cancelled');
  for (const bad of ['=', 'QQ', 'QQ=', 'QR==', 'Q Q=', 'QQ==QQ==', 'QUI_', '**', 'A'.repeat(10_000)]) {
    assert.equal(bytes(bad), 'invalid', bad);
  }
  assert.deepEqual(parseSaslInitialResponse('='), { type: 'message', bytes: Buffer.alloc(0) });
  assert.equal(parseSaslInitialResponse('').type, 'invalid');
  assert.equal(parseSaslInitialResponse('*').type, 'invalid');
});

test('preparation: RFC 8265 section 4.3 and RFC 4013 section 3 examples', () => {
  assert.equal(opaqueString('correct horse battery staple'), 'correct horse battery staple');
  assert.equal(opaqueString('Correct Horse Battery Staple'), 'Correct Horse Battery Staple');
  assert.equal(opaqueString('\u03c0\u00df\u00e5'), '\u03c0\u00df\u00e5');
  assert.equal(opaqueString('Jack of \u2666s'), 'Jack of \u2666s');
  assert.equal(opaqueString('foo\u1680bar'), 'foo bar');
  assert.equal(opaqueString(''), undefined);
  assert.equal(opaqueString('my cat is a \u0009by'), undefined);
  assert.equal(saslPrep('I\u00adX'), 'IX');
  assert.equal(saslPrep('user'), 'user');
  assert.equal(saslPrep('USER'), 'USER');
  assert.equal(saslPrep('\u00aa'), 'a');
  assert.equal(saslPrep('\u2168'), 'IX');
  assert.equal(saslPrep('\u0007'), undefined);
  assert.equal(saslPrep('\u0627\u0031'), undefined);
});
