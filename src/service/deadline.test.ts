import { describe, expect, it } from 'vitest';
import { type Deliver, type Receipt, UnavailableError } from '../model/deliver.ts';
import { withDeadline } from './deadline.ts';

describe('a delivery with a deadline', () => {
  const pending = () => {
    const { promise, resolve, reject } = Promise.withResolvers<Receipt>();
    const deliver: Deliver = () => promise;
    return { deliver, resolve, reject };
  };

  it('is given up when it takes too long, and may end as it will', async () => {
    const { deliver, reject } = pending();
    await expect(withDeadline(deliver, 10)([])).rejects.toThrow(UnavailableError);
    reject(new Error('much later'));
    await new Promise(setImmediate);
  });

  it('is what it is when it comes in time', async () => {
    const { deliver, resolve } = pending();
    const delivered = withDeadline(deliver, 60_000)([]);
    resolve({ durability: 'broker' });
    expect(await delivered).toEqual({ durability: 'broker' });
    const failing = withDeadline(async () => {
      throw new UnavailableError('down', 1);
    }, 60_000);
    await expect(failing([])).rejects.toThrow('down');
  });
});
