import { describe, expect, it } from 'vitest';
import { addressInHex, sumDrops } from './kernel-drops.ts';

const TABLE = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 1210: 0100007F:2382 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 84022 2 0000000000000000 17
 1211: 0100007F:2383 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 84023 2 0000000000000000 5
 1212: 0100007F:2382 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 84024 2 0000000000000000 3
`;

describe('drops of the kernel', () => {
  it('are summed over the sockets of an address', () => {
    expect(sumDrops(TABLE, '0100007F:2382')).toBe(20);
    expect(sumDrops(TABLE, '0100007F:2383')).toBe(5);
    expect(sumDrops(TABLE, '00000000:2382')).toBeUndefined();
  });

  it.each([
    ['127.0.0.1', '0100007F'],
    ['0.0.0.0', '00000000'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000001000000'],
    ['fe80::1:2%eth0', '000080FE000000000000000002000100'],
    ['::ffff:127.0.0.1', '0000000000000000FFFF00000100007F'],
  ])('find %s', (address, hex) => expect(addressInHex(address)).toBe(hex));
});
