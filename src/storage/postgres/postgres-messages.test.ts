// The messages: requests byte for byte, and answers that come in any pieces.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { hostUrls } from './postgres-connect.ts';
import {
  MessageReader,
  parseMessage,
  type Row,
  readFields,
  readRow,
  requestMessage,
} from './postgres-messages.ts';

const statement = { name: 's', text: 'SELECT $1' };

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function row(...columns: (string | undefined)[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeUInt16BE(columns.length);
  const parts = columns.map((column) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(column?.length ?? -1);
    return Buffer.concat([length, Buffer.from(column ?? '')]);
  });
  return message('D', Buffer.concat([count, ...parts]));
}

it('closes a statement before it is prepared again', () => {
  assert.equal(
    parseMessage(statement).toString('latin1'),
    'C\0\0\0\x07Ss\0' + 'P\0\0\0\x12s\0SELECT $1\0\0\0',
  );
});

it('binds every kind of parameter as binary, and asks for binary rows', () => {
  const sent = requestMessage(statement, [
    7,
    258n,
    'é',
    Buffer.of(0, 255),
    [Buffer.from('k'), Buffer.alloc(0)],
    [],
  ]);
  const array = '\0\0\0\x01\0\0\0\0\0\0\0\x11\0\0\0\x02\0\0\0\x01\0\0\0\x01k\0\0\0\0';
  const body =
    '\0s\0\0\x01\0\x01\0\x06\0\0\0\x04\0\0\0\x07\0\0\0\x08\0\0\0\0\0\0\x01\x02\0\0\0\x02\xc3\xa9\0\0\0\x02\0\xff' +
    `\0\0\0\x1d${array}\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\x11\0\x01\0\x01`;
  const expected = `B\0\0\0${String.fromCharCode(body.length + 4)}${body}E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04`;
  assert.equal(sent.toString('latin1'), expected);
});

it('reads the same messages whatever the pieces', () => {
  const stream = Buffer.concat([
    row('key', undefined, ''),
    message('Z', Buffer.from('I')),
    row('x'.repeat(40)),
    message('E', Buffer.from('VERROR\0C40001\0Mmeanwhile\0\0')),
  ]);
  const read = (size: number): string[] => {
    const reader = new MessageReader();
    const found: (string | Row)[] = [];
    for (let at = 0; at < stream.length; at += size) {
      const piece = Buffer.from(stream.subarray(at, at + size));
      for (const one of reader.add(piece)) {
        if (one.type === 'D') found.push(readRow(one));
        else found.push(one.type + [...readFields(one.body)].join(' '));
      }
      // It is read into again; rows are kept.
      piece.fill('?');
    }
    return found.map((one) =>
      typeof one === 'string' ? one : JSON.stringify(one.map((column) => column?.toString())),
    );
  };
  const expected = ['["key",null,""]', 'Z', `["${'x'.repeat(40)}"]`, 'EV,ERROR C,40001 M,meanwhile'];
  for (let size = 1; size <= stream.length; size++) {
    assert.deepEqual(
      read(size).map((text) => (text.startsWith('Z') ? 'Z' : text)),
      expected,
    );
  }
});

it('refuses what cannot be a message', () => {
  const reader = new MessageReader();
  assert.throws(() => [...reader.add(Buffer.from('HTTP/1.1 400 Bad Request'))], /message of/);
  const short = Buffer.from([0x44, 0, 0, 0, 12, 0, 1, 0, 0, 0, 99, 1, 2]);
  assert.throws(() => [...new MessageReader().add(short)].map(readRow), /cut short/);
});

it('makes a URL for each host, and keeps what belongs to all', () => {
  assert.deepEqual(
    hostUrls('postgres://u:p%40@a,b:6000,[::1]/mail?sslmode=verify-full&target_session_attrs=primary'),
    [
      { address: 'a:5432', url: 'postgres://u:p%40@a:5432/mail?sslmode=verify-full' },
      { address: 'b:6000', url: 'postgres://u:p%40@b:6000/mail?sslmode=verify-full' },
      { address: '[::1]:5432', url: 'postgres://u:p%40@[::1]:5432/mail?sslmode=verify-full' },
    ],
  );
  assert.throws(() => hostUrls('mysql://a/b'), /not a PostgreSQL URL/);
  assert.throws(() => hostUrls('postgres://a/b?target_session_attrs=standby'), /needs read-write/);
});
