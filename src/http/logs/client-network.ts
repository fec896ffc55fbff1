import { isIPv6 } from 'node:net';

/**
 * Whom an address stands for where clients are counted: an IPv4 address for itself, one of IPv6 for its /64, the least that
 * a site gets (RFC 6177), of which a single host may use as many addresses as it likes. An IPv4 address mapped to IPv6 is
 * that of IPv4. `address` is as Node.js writes it: the short form, without leading zeros.
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
