import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { isMissing } from '../disk/missing.ts';

/*
 * Datagrams of UDP that the kernel dropped because the buffer of the socket was full, from /proc/net/udp and udp6:
 *
 *     sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 *   1210: 0100007F:2382 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 84022 2 00000000 17
 *
 * An address is words of 32 bits in hexadecimal, each in the byte order of the machine.
 */

/** Drops of the sockets that are bound to an address; undefined where the system does not say. */
export async function readUdpDrops(address: string, port: number): Promise<number | undefined> {
  const file = isIPv6(address) ? '/proc/net/udp6' : '/proc/net/udp';
  try {
    return sumDrops(await readFile(file, 'latin1'), `${addressInHex(address)}:${hex(port, 4)}`);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** `local`: as the kernel writes it. */
export function sumDrops(table: string, local: string): number | undefined {
  let sum: number | undefined;
  for (const line of table.split('\n')) {
    const columns = line.trim().split(/\s+/);
    if (columns[1] === local) sum = (sum ?? 0) + Number(columns[12]);
  }
  return sum;
}

/** `0100007F` for 127.0.0.1, on a little-endian machine. */
export function addressInHex(address: string): string {
  const bytes = isIPv6(address) ? bytesOfIPv6(address) : address.split('.').map(Number);
  let text = '';
  for (let at = 0; at < bytes.length; at += 4)
    for (let index = 3; index >= 0; index--) text += hex(bytes[at + index] ?? 0, 2);
  return text;
}

function bytesOfIPv6(address: string): number[] {
  // The WHATWG parser writes any form, `::ffff:1.2.3.4` too, with groups of hexadecimal digits.
  const host = new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname.slice(1, -1);
  const [before = '', after] = host.split('::');
  const groupsOf = (part: string) => (part === '' ? [] : part.split(':'));
  const first = groupsOf(before);
  const last = groupsOf(after ?? '');
  const zeros = after === undefined ? 0 : 8 - first.length - last.length;
  const groups = [...first, ...Array.from({ length: zeros }, () => '0'), ...last];
  return groups.flatMap((group) => {
    const number = Number.parseInt(group, 16);
    return [number >> 8, number & 255];
  });
}

function hex(number: number, digits: number): string {
  return number.toString(16).toUpperCase().padStart(digits, '0');
}
