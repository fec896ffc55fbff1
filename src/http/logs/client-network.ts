import { isIPv6 } from 'node:net';

/**
 * The client that an address counts for. An IPv4 address counts for itself, also when it is mapped to IPv6. An IPv6 address
 * counts for its /64: that is the least that a site gets (RFC 6177), and a single host may use all of it. `address` is as
 * Node.js writes it: the short form, without leading zeros.
 */
export function clientNetwork(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [before = '', after] = address.split('%', 1)[0]?.split('::') ?? [];
  const groups = before === '' ? [] : before.split(':');
  if (after !== undefined) {
    const rest = after === '' ? [] : after.split(':');
    while (groups.length + rest.length < 8) groups.push('0');
    groups.push(...rest);
  }
  return `${groups.slice(0, 4).join(':')}::/64`;
}
