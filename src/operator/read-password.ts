// Passwords come from standard input, never from the command line, where every user of the machine could read them.

import { randomBytes } from 'node:crypto';
import { CommandFailure, exitCodes } from './exit-codes.ts';

const passwordBytesMax = 1024;

/** 20 characters of [A-Za-z0-9_-]: 120 bits. */
export function randomPassword(): string {
  return randomBytes(15).toString('base64url');
}

/** One line: asked for without echo on a terminal, else the first line of standard input. */
export async function readPassword(prompt: string): Promise<string> {
  const password = process.stdin.isTTY === true ? await askTwice(prompt) : await firstLine();
  if (password === '') {
    const way = 'give it as the first line of standard input, or let --random-password make one';
    throw new CommandFailure(`the password is empty: ${way}`, exitCodes.usage);
  }
  return password;
}

async function firstLine(): Promise<string> {
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const chunk of process.stdin as AsyncIterable<string>) {
    text += chunk;
    if (text.includes('\n') || text.length > passwordBytesMax) break;
  }
  return text.split(/\r?\n/, 1)[0]!;
}

async function askTwice(prompt: string): Promise<string> {
  const password = await ask(`${prompt}: `);
  if (password !== (await ask(`${prompt} again: `)))
    throw new CommandFailure('the two passwords differ', exitCodes.usage);
  return password;
}

function ask(prompt: string): Promise<string> {
  process.stderr.write(prompt);
  process.stdin.setRawMode(true).setEncoding('utf8').resume();
  return new Promise((resolve, reject) => {
    let typed = '';
    const finish = (settle: () => void): void => {
      process.stdin.off('data', onData).setRawMode(false).pause();
      process.stderr.write('\n');
      settle();
    };
    const onData = (text: string): void => {
      for (const character of text) {
        if (character === '\r' || character === '\n') {
          finish(() => resolve(typed));
          return;
        }
        if (character === '\u0003') {
          finish(() => reject(new CommandFailure('interrupted')));
          return;
        }
        if (character === '\u007f') typed = typed.slice(0, -1);
        else typed += character;
      }
    };
    process.stdin.on('data', onData);
  });
}
