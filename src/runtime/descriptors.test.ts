import { describe, expect, it } from 'vitest';
import { checkDescriptors, divideConnections, readDescriptorLimit, shareDescriptors } from './descriptors.ts';

const fail = (): never => {
  throw new Error('not here');
};

describe('the limit of descriptors', () => {
  it('is the soft limit that Linux says', () => {
    const limits =
      'Limit  Soft Limit  Hard Limit  Units\nMax open files            300                  4096                 files     \n';
    expect(readDescriptorLimit(() => limits, fail)).toBe(300);
    expect(readDescriptorLimit(() => limits.replace('300', 'unlimited'), fail)).toBe(1_048_576);
  });

  it('is what the shell says elsewhere, and small where nobody says', () => {
    expect(readDescriptorLimit(fail, () => '2560\n')).toBe(2560);
    expect(readDescriptorLimit(fail, () => 'unlimited\n')).toBe(1_048_576);
    expect(
      readDescriptorLimit(
        () => 'nonsense',
        () => 'nonsense',
      ),
    ).toBe(256);
    expect(readDescriptorLimit(fail, fail)).toBe(256);
  });

  it('is read from this process', () => {
    expect(readDescriptorLimit()).toBeGreaterThan(20);
  });
});

describe('the shares', () => {
  it('leave all connections and 1,024 files where the limit is high', () => {
    expect(shareDescriptors({ limit: 1_048_576, maxConnections: 10_000, threads: 1 })).toEqual({
      limit: 1_048_576,
      files: 1_024,
      connections: 10_000,
    });
  });

  it.each([24, 64, 128, 256, 300, 1024, 4096, 20_000])('of %i fit in it, with room for the rest', (limit) => {
    for (const threads of [1, 4]) {
      const { files, connections } = shareDescriptors({ limit, maxConnections: 10_000, threads });
      expect(files).toBeGreaterThanOrEqual(8);
      expect(connections).toBeGreaterThanOrEqual(8);
      if (limit >= 64) expect(files + connections).toBeLessThanOrEqual(limit - Math.min(64, limit / 2));
    }
  });

  it('give to files what few connections leave', () => {
    expect(shareDescriptors({ limit: 300, maxConnections: 20, threads: 1 })).toMatchObject({
      files: 200,
      connections: 20,
    });
  });
});

describe('the connections', () => {
  it.each([
    [100, [60, 40], [60, 40]],
    [100, [1_000, 1_000], [50, 50]],
    [100, [1_000, 10, 1_000, 0], [45, 10, 45, 0]],
    [2, [9, 9, 9], [1, 1, 1]],
  ])('%i are divided among those who want %j', (connections, wanted, shares) => {
    expect(divideConnections(connections, wanted)).toEqual(shares);
  });
});

describe('the check', () => {
  const opened = (count: number) => (): string[] => Array.from({ length: count }, String);

  it('passes while descriptors are left, and where nobody can count them', () => {
    checkDescriptors(300, opened(292));
    checkDescriptors(300, fail);
  });

  it('fails when they are used up, and says how many there are', () => {
    expect(() => checkDescriptors(300, opened(293))).toThrow('293 of 300 file descriptors are open');
    const none = (): never => {
      throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' });
    };
    expect(() => checkDescriptors(300, none)).toThrow('no file descriptor is left (limit 300)');
  });
});
