// The only source of chance (STYLE 6). Whoever needs bytes or identifiers is given a Random; tests, the simulator and
// the fuzzer pass a seeded one, so that a failure can be run again.
// Invariant: `systemRandom` is cryptographically strong and fit for secrets; a seeded one never is.

import { randomBytes, randomInt } from 'node:crypto';
import { assert } from './assert.ts';

export interface Random {
  /** `count` bytes the caller owns. */
  bytes(count: number): Buffer;
  /** A whole number, 0 <= n < `below`; `below` is 1..2^32. */
  integer(below: number): number;
  /** `length` characters of [a-z2-7], five bits of chance each: fit for names, keys and file systems. */
  identifier(length: number): string;
}

const identifierAlphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** 256 is a multiple of 32, so the low five bits of a byte are even. */
function identifierOf(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += identifierAlphabet[byte & 31];
  return text;
}

/** The operating system's randomness. */
export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
  integer: (below) => randomInt(below),
  identifier: (length) => identifierOf(randomBytes(length)),
};

/** The same numbers for the same seed, for ever: xoshiro128** seeded by splitmix32. */
export function seededRandom(seed: number): Random {
  const state = seedState(seed);
  const integer = (below: number): number => {
    assert(Number.isInteger(below) && below >= 1 && below <= 2 ** 32, `integer below ${below}`);
    // 32 random bits scaled: the bias is below 2^-32 * below, of no matter to a test.
    return Math.floor((nextWord(state) / 2 ** 32) * below);
  };
  const bytes = (count: number): Buffer => {
    const buffer = Buffer.allocUnsafe(count);
    for (let at = 0; at < count; at++) buffer[at] = nextWord(state) >>> 24;
    return buffer;
  };
  return { bytes, integer, identifier: (length) => identifierOf(bytes(length)) };
}

function seedState(seed: number): Uint32Array {
  const state = new Uint32Array(4);
  let mixed = seed >>> 0;
  for (let word = 0; word < 4; word++) {
    mixed = (mixed + 0x9e3779b9) >>> 0;
    let z = mixed;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    state[word] = z ^ (z >>> 15);
  }
  return state;
}

const rotateLeft = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

function nextWord(state: Uint32Array): number {
  const [s0, s1, s2, s3] = state as unknown as [number, number, number, number];
  const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
  const x2 = s2 ^ s0;
  const x3 = s3 ^ s1;
  state[1] = s1 ^ x2;
  state[0] = s0 ^ x3;
  state[2] = x2 ^ (s1 << 9);
  state[3] = rotateLeft(x3, 11);
  return result;
}
