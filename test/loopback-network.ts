// Loopback addresses of this process's own: servers of several machines, each at the same ports, beside those of other
// tests. Linux has all of 127.0.0.0/8 ready.

/** "127.a.b": the first three numbers. */
export function loopbackNetwork(): string {
  const number = process.pid % (200 * 250);
  return `127.${20 + Math.floor(number / 250)}.${number % 250}`;
}
