// Sizes and durations as people write them: "50 MiB", "30 min", or plain numbers (bytes, seconds).
// Keys in the file carry no unit in their names; the code gets bytes and milliseconds.

import { z } from 'zod';

const sizeUnits: Record<string, number> = {
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  tb: 1000 ** 4,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

const durationUnits: Record<string, number> = {
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

// What is told when something else was written there.
const sizeExpected = 'a size such as "50 MiB", "300 kB" or a number of bytes';
const durationExpected = 'a duration such as "30 min", "500 ms" or a number of seconds';
const listenExpected = '"address:port" such as "127.0.0.1:2143", a list of them, or "off"';

function parseQuantity(text: string, units: Record<string, number>): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*$/.exec(text);
  if (match === null) return undefined;
  const factor = units[match[2]!.toLowerCase()];
  return factor === undefined ? undefined : wholeNumber(Number(match[1]) * factor);
}

/** Bytes and milliseconds are counted exactly; a number that cannot be is no quantity. */
function wholeNumber(value: number): number | undefined {
  const rounded = Math.round(value);
  return Number.isSafeInteger(rounded) ? rounded : undefined;
}

/** "50 MiB" or a number of bytes → bytes. */
export function size(defaultValue: string) {
  return z
    .union([z.string(), z.number().int().nonnegative()], sizeExpected)
    .default(defaultValue)
    .transform((value, context) => {
      const bytes = typeof value === 'number' ? wholeNumber(value) : parseQuantity(value, sizeUnits);
      if (bytes !== undefined) return bytes;
      context.addIssue({
        code: 'custom',
        message: `expected ${sizeExpected}; found ${JSON.stringify(value)}`,
      });
      return z.NEVER;
    });
}

/** "30 min" or a number of seconds → milliseconds. */
export function duration(defaultValue: string) {
  return z
    .union([z.string(), z.number().nonnegative()], durationExpected)
    .default(defaultValue)
    .transform((value, context) => {
      const ms = typeof value === 'number' ? wholeNumber(value * 1000) : parseQuantity(value, durationUnits);
      if (ms !== undefined) return ms;
      context.addIssue({
        code: 'custom',
        message: `expected ${durationExpected}; found ${JSON.stringify(value)}`,
      });
      return z.NEVER;
    })
    .meta({ quantity: 'duration' });
}

/** The shortest way to write a duration that `duration` reads back. */
export function formatDuration(ms: number): string {
  const units = Object.entries(durationUnits).reverse();
  const [unit, factor] = units.find(([, candidate]) => ms >= candidate && ms % candidate === 0) ?? ['ms', 1];
  return `${ms / factor} ${unit}`;
}

const addressPattern = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[^[\]:\s]+)):(?<port>\d{1,5})$/;

export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

/** "127.0.0.1:2143", "[::1]:2143"; undefined when it is neither. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const groups = addressPattern.exec(text)?.groups;
  if (groups === undefined) return undefined;
  const port = Number(groups.port);
  const address = groups.v6 ?? groups.host;
  return port <= 65_535 && address !== undefined ? { address, port } : undefined;
}

/** One address, several, or none ("off", []). */
export function listen(defaultValue: string) {
  return z
    .union([z.string(), z.array(z.string())], listenExpected)
    .default(defaultValue)
    .transform((value, context) => {
      const texts = value === 'off' ? [] : typeof value === 'string' ? [value] : value;
      const addresses: ListenAddress[] = [];
      for (const text of texts) {
        const address = parseListenAddress(text);
        if (address !== undefined) addresses.push(address);
        else {
          const message = `expected ${listenExpected}; found "${text}"`;
          context.addIssue({ code: 'custom', message });
        }
      }
      return addresses;
    });
}
