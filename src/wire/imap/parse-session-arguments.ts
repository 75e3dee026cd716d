// Arguments of the commands about the session: LOGIN, AUTHENTICATE, ID, ENABLE, and those that take none.

import type { ArgumentCursor } from './argument-cursor.ts';
import { parseBase64 } from './base64.ts';
import { atomCharacter } from './character-class.ts';
import type {
  AuthenticateCommand,
  CompressCommand,
  EnableCommand,
  IdCommand,
  LoginCommand,
  PlainCommand,
} from './command.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';

/** RFC 2971 section 3.3. */
const idFieldsMax = 30;
const idNameBytesMax = 30;
const idValueBytesMax = 1024;
/** There are not so many capabilities to enable. */
const enableMax = 100;

export function plainParser(
  name: PlainCommand['name'],
): (cursor: ArgumentCursor, tag: string) => PlainCommand {
  return (_cursor, tag) => ({ tag, name });
}

/** LOGIN SP userid SP password; both UTF-8. */
export function parseLogin(cursor: ArgumentCursor, tag: string): LoginCommand {
  cursor.expect(' ');
  const user = cursor.astring('user name');
  cursor.expect(' ');
  return { tag, name: 'LOGIN', user, password: cursor.astring('password') };
}

/** AUTHENTICATE SP auth-type [SP (base64 / "=")]. */
export function parseAuthenticate(cursor: ArgumentCursor, tag: string): AuthenticateCommand {
  cursor.expect(' ');
  const mechanism = cursor.word('mechanism');
  if (!cursor.take(' ')) return { tag, name: 'AUTHENTICATE', mechanism, initialResponse: undefined };
  const text = cursor.run(atomCharacter);
  const initialResponse = text === '=' ? Buffer.alloc(0) : parseBase64(text);
  if (text === '' || initialResponse === undefined) throw new ImapSyntaxError('base64 expected');
  return { tag, name: 'AUTHENTICATE', mechanism, initialResponse };
}

/** COMPRESS SP algorithm. */
export function parseCompress(cursor: ArgumentCursor, tag: string): CompressCommand {
  cursor.expect(' ');
  return { tag, name: 'COMPRESS', mechanism: cursor.word('compression mechanism') };
}

/** ID SP ("(" [string SP nstring …] ")" / NIL). */
export function parseId(cursor: ArgumentCursor, tag: string): IdCommand {
  cursor.expect(' ');
  if (!cursor.take('(')) {
    if (cursor.word('list or NIL') !== 'NIL') cursor.fail('list or NIL');
    return { tag, name: 'ID', fields: undefined };
  }
  const fields: [string, string | undefined][] = [];
  if (!cursor.take(')')) {
    do {
      const name = cursor.astring('field name');
      cursor.expect(' ');
      const value = cursor.nstring('field value');
      if (name.length > idNameBytesMax || (value?.length ?? 0) > idValueBytesMax)
        throw new ImapSyntaxError('ID field is too long');
      fields.push([name, value]);
      if (fields.length > idFieldsMax) throw new ImapSyntaxError('too many ID fields');
    } while (cursor.take(' '));
    cursor.expect(')');
  }
  return { tag, name: 'ID', fields };
}

/** ENABLE 1*(SP capability). */
export function parseEnable(cursor: ArgumentCursor, tag: string): EnableCommand {
  const capabilities: string[] = [];
  cursor.expect(' ');
  do {
    capabilities.push(cursor.word('capability'));
    if (capabilities.length > enableMax) throw new ImapSyntaxError('too many capabilities');
  } while (cursor.take(' '));
  return { tag, name: 'ENABLE', capabilities };
}
