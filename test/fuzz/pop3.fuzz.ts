// Any bytes as a command line, as a message to be sent, and as a header to be shown: no throw, and what goes out
// keeps POP3's form.

import { MultilineEncoder } from '../../src/wire/pop3/multiline.ts';
import {
  parseMessageNumber,
  parsePop3Command,
  parseTopArguments,
  utf8Argument,
} from '../../src/wire/pop3/parse-command.ts';
import { headerEnd, surrogateHeader } from '../../src/wire/pop3/surrogate-header.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const seeds = [
  'USER alice@example.test\r\n',
  'PASS  a b \r\n',
  'AUTH PLAIN AHRpbQB4\r\n',
  'TOP 1 10\r\n',
  'LIST\n',
  'UIDL 4294967296\r\n',
  'Subject: Gr\u00fc\u00dfe "a\\"b\u00e9" <\u00fc@x.test>\r\n\r\n.\r\n..a\r\nb\n.\nc\r',
];

export const target: FuzzTarget = {
  name: 'pop3',
  seeds: () => seeds.map((seed) => Buffer.from(seed)),
  run(input) {
    const bytes = Buffer.from(input);
    const command = parsePop3Command(bytes);
    if (command?.argument !== undefined) {
      parseMessageNumber(command.argument);
      parseTopArguments(command.argument);
      utf8Argument(command.argument);
      if (/[\r\n\0]/.test(command.argument)) throw new Error('a control character got through');
    }
    checkMultiline(bytes);
    const text = bytes.toString('latin1');
    if (/[\x80-\xff]/.test(surrogateHeader(text))) throw new Error('a surrogate header is not ASCII');
    if (headerEnd(text) > text.length) throw new Error('a header ends behind its message');
  },
};

function checkMultiline(bytes: Buffer): void {
  const whole = new MultilineEncoder();
  const sent = whole.bytes(bytes).toString('latin1') + whole.end();
  const cut = bytes.length >> 1;
  const pieces = new MultilineEncoder();
  const again =
    pieces.text(bytes.toString('latin1', 0, cut)) + pieces.text(bytes.toString('latin1', cut)) + pieces.end();
  if (sent !== again) throw new Error('the place of the cut matters');
  const lines = sent.split('\r\n');
  if (lines.pop() !== '' || lines.pop() !== '.') throw new Error('the response is not ended');
  if (lines.includes('.')) throw new Error('the response ends early');
  if (/(?<!\r)\n/.test(sent)) throw new Error('a bare LF got through');
}
