import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandReader, type CommandReaderLimits, type ReaderStep } from './command-reader.ts';
import { parseAppendHead, parseCommand } from './parse-command.ts';

const limits: CommandReaderLimits = {
  textBytesMax: 200,
  literalBytesMax: 20,
  literalsMax: 3,
  messageBytesMax: 100,
  skipBytesMax: 150,
};
const no = { status: 'NO', code: 'TRYCREATE', text: 'No such mailbox' } as const;

function line(reader: CommandReader, text: string): ReaderStep {
  return reader.line(Buffer.from(`${text}\r\n`, 'latin1'));
}

function bytes(reader: CommandReader, count: number): ReaderStep {
  return reader.bytes(Buffer.alloc(count, 'x'));
}

test('a line is a command; CRLF or LF', () => {
  const reader = new CommandReader(limits);
  assert.deepEqual(line(reader, 'a NOOP'), { type: 'command', command: { text: 'a NOOP', literals: [] } });
  assert.deepEqual(reader.line(Buffer.from('a NOOP\n')), {
    type: 'command',
    command: { text: 'a NOOP', literals: [] },
  });
  assert.equal(reader.idle, true);
});

test('a synchronising literal asks for a continuation, the other does not; then the rest of the line', () => {
  const reader = new CommandReader(limits);
  assert.deepEqual(line(reader, 'a LOGIN {5}'), { type: 'bytes', continuation: true });
  assert.equal(reader.idle, false);
  assert.equal(reader.bytesWanted, 5);
  assert.deepEqual(bytes(reader, 2), { type: 'bytes', continuation: false });
  assert.equal(reader.bytesWanted, 3);
  assert.deepEqual(bytes(reader, 3), { type: 'line', continuation: false });
  assert.deepEqual(line(reader, ' {4+}'), { type: 'bytes', continuation: false });
  bytes(reader, 4);
  const step = line(reader, '');
  assert(step.type === 'command');
  assert.deepEqual(parseCommand(step.command, { utf8: false }), {
    tag: 'a',
    name: 'LOGIN',
    user: 'xxxxx',
    password: 'xxxx',
  });
});

test('empty literals want the next line at once', () => {
  const reader = new CommandReader(limits);
  assert.deepEqual(line(reader, 'a LOGIN {0}'), { type: 'line', continuation: true });
  assert.deepEqual(line(reader, ' {0+}'), { type: 'line', continuation: false });
  assert.equal(line(reader, '').type, 'command');
});

test('APPEND: the message literal waits for a verdict with all before it known', () => {
  const reader = new CommandReader(limits);
  assert.deepEqual(line(reader, 'a APPEND {5}'), { type: 'bytes', continuation: true });
  bytes(reader, 5);
  assert.deepEqual(line(reader, ' (\\Seen) {90}'), { type: 'append', bytes: 90, synchronizing: true });
  const head = parseAppendHead(reader.pending, { utf8: false });
  assert.equal(head.mailbox, 'xxxxx');
  assert.deepEqual(head.messages, [
    {
      flags: ['\\Seen'],
      internalDate: undefined,
      size: 90,
      chunks: [],
      literal8: false,
      utf8: false,
      catenate: undefined,
    },
  ]);
  assert.deepEqual(reader.acceptLiteral(), { type: 'bytes', continuation: true });
  const first = Buffer.alloc(50, 'a');
  const second = Buffer.alloc(40, 'b');
  reader.bytes(first);
  reader.bytes(second);
  const step = line(reader, '');
  assert(step.type === 'command');
  const command = parseCommand(step.command, { utf8: false });
  assert(command.name === 'APPEND');
  // Handed out as they came, not copied.
  assert.equal(command.messages[0]!.chunks[0], first);
  assert.equal(command.messages[0]!.chunks[1], second);
});

test('APPEND refused: a synchronising literal never comes', () => {
  const reader = new CommandReader(limits);
  line(reader, 'a APPEND box {90}');
  assert.deepEqual(reader.refuse(no), { type: 'refused', tag: 'a', refusal: no });
  assert.equal(line(reader, 'b NOOP').type, 'command');
});

test('APPEND refused: a non-synchronising literal is dropped, and the rest of the command with it', () => {
  const reader = new CommandReader(limits);
  line(reader, 'a APPEND box {90+}');
  assert.deepEqual(reader.refuse(no), { type: 'bytes', continuation: false });
  assert.deepEqual(bytes(reader, 90), { type: 'line', continuation: false });
  assert.deepEqual(line(reader, ' {3+}'), { type: 'bytes', continuation: false });
  bytes(reader, 3);
  assert.deepEqual(line(reader, ''), { type: 'refused', tag: 'a', refusal: no });
  assert.equal(line(reader, 'b NOOP').type, 'command');
});

test('limits: messages and literals that are too large, too many', () => {
  const reader = new CommandReader(limits);
  const tooBig = { status: 'NO', code: 'TOOBIG', text: 'Message is too large' };
  assert.deepEqual(line(reader, 'a APPEND box {101}'), { type: 'refused', tag: 'a', refusal: tooBig });
  line(reader, 'a APPEND box {60+}');
  reader.acceptLiteral();
  bytes(reader, 60);
  assert.deepEqual(line(reader, ' {60}'), { type: 'refused', tag: 'a', refusal: tooBig });
  const literal = { status: 'BAD', code: 'TOOBIG', text: 'Literal is too large' };
  assert.deepEqual(line(reader, 'a LOGIN {21}'), { type: 'refused', tag: 'a', refusal: literal });
  assert.deepEqual(line(reader, 'a LOGIN {21+}'), { type: 'bytes', continuation: false });
  bytes(reader, 21);
  assert.deepEqual(line(reader, ' x'), { type: 'refused', tag: 'a', refusal: literal });
  for (let count = 0; count < 3; count++) {
    line(reader, `${count === 0 ? 'a SEARCH TEXT' : ''} {1+}`);
    bytes(reader, 1);
  }
  assert.deepEqual(line(reader, ' {1}'), {
    type: 'refused',
    tag: 'a',
    refusal: { status: 'BAD', code: undefined, text: 'Too many literals' },
  });
  assert.equal(line(reader, 'b NOOP').type, 'command');
});

test('what cannot be skipped ends the session: huge literals, lines without end', () => {
  assert.equal(line(new CommandReader(limits), 'a LOGIN {151+}').type, 'fatal');
  assert.equal(line(new CommandReader(limits), `a LOGIN {${'9'.repeat(180)}+}`).type, 'fatal');
  const reader = new CommandReader(limits);
  line(reader, `a LOGIN ${'x'.repeat(150)} {1+}`);
  bytes(reader, 1);
  assert.equal(line(reader, ` ${'x'.repeat(150)}`).type, 'fatal');
  const skipping = new CommandReader(limits);
  line(skipping, 'a LOGIN {100+}');
  bytes(skipping, 100);
  assert.equal(line(skipping, ' {100+}').type, 'fatal');
});

test('text that looks like a literal and is none is a line', () => {
  const reader = new CommandReader(limits);
  for (const text of ['a X {}', 'a X {+}', 'a X {1', 'a X 1}', 'a X {a}', 'a X {1+}+', '}', '{', '+}'])
    assert.equal(line(reader, text).type, 'command', text);
});
