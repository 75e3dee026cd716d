// Any bytes to any mechanism: it answers with a step, never throws, never succeeds against an authenticator that refuses.

import { systemRandom } from '../../src/base/random.ts';
import { MailError } from '../../src/mail/mail-error.ts';
import { parseSaslInitialResponse, parseSaslLine } from '../../src/wire/sasl/base64-line.ts';
import { opaqueString, saslPrep } from '../../src/wire/sasl/prepare.ts';
import { type SaslAuthenticator, saslMechanismNames } from '../../src/wire/sasl/sasl.ts';
import { startSasl } from '../../src/wire/sasl/start-sasl.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const refuse = async (): Promise<never> => {
  throw new MailError('authenticationFailed', 'refused');
};
const salt = new Uint8Array(16);
const key = new Uint8Array(32);
const authenticator: SaslAuthenticator<undefined, string> = {
  verifyPassword: refuse,
  scramVerifier: async () => ({ salt, iterations: 4096, storedKey: key, serverKey: key }),
  finishScram: refuse,
  verifyCertificate: refuse,
};
const tls = { clientNames: ['tim@example.test'], channelBinding: () => key };

/** Messages of one exchange are separated by LF. */
const seeds = [
  '\0tim\0tanstaaftanstaaf',
  'Ursel\0Kurt\0xipj3plmq',
  'tim\ntanstaaf',
  'n,,n=user,r=rOprNGfwEbeRWgbNEkqO\nc=biws,r=rOprNGfwEbeRWgbNEkqO,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=\n',
  'p=tls-exporter,a=x=2Cy=3D,n=us=2Cer,r=abc,x=1\nc=biws,r=abc,x=1,p=AAAA\n',
  'y,,n=user,r=a',
  'AHRpbQB4',
  '*',
  '=',
];

export const target: FuzzTarget = {
  name: 'sasl',
  seeds: () => seeds.map((seed) => Buffer.from(seed)),
  async run(input) {
    const text = Buffer.from(input).toString('latin1');
    for (const parsed of [parseSaslLine(text), parseSaslInitialResponse(text)]) {
      const isWhole = parsed.type !== 'message' || !/[^A-Za-z0-9+/=\r\n]/.test(text);
      if (!isWhole) throw new Error('base64 with foreign characters was accepted');
    }
    for (const prepare of [opaqueString, saslPrep]) {
      const prepared = prepare(Buffer.from(input).toString());
      if (prepared !== undefined && prepare(prepared) !== prepared)
        throw new Error('preparation is not stable');
    }
    for (const mechanism of saslMechanismNames) await exchange(mechanism, text);
  },
};

async function exchange(mechanism: string, text: string): Promise<void> {
  const offered = saslMechanismNames;
  const server = startSasl(mechanism, {
    authenticator,
    context: undefined,
    tls,
    offered,
    random: systemRandom,
  });
  if (server === undefined) throw new Error(`${mechanism} did not start`);
  for (const message of text.split('\n').slice(0, 5)) {
    const step = await server.step(Buffer.from(message, 'latin1'));
    if (step.type === 'success') throw new Error(`${mechanism} succeeded against a refusal`);
    if (step.type === 'failure') return;
  }
}
