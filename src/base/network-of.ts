// Whom an address stands for where limits count. Invariant: who owns many addresses at once is counted once. Nothing here fails.

import ipaddr from 'ipaddr.js';

/** IPv4: the address; IPv6: its /64, which one customer owns whole; mapped IPv4 is IPv4. What is no address is its own network. */
export function networkOf(remoteAddress: string): string {
  if (!remoteAddress.includes(':')) return remoteAddress;
  if (!ipaddr.isValid(remoteAddress)) return remoteAddress;
  const address = ipaddr.process(remoteAddress);
  if (address.kind() === 'ipv4') return address.toString();
  return Buffer.from(address.toByteArray().slice(0, 8)).toString('hex');
}
