import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createTextFinder } from './find-text.ts';

it('finds what includes finds, in any part of the bytes', () => {
  const text = fc.stringMatching(/^[ab]{0,12}$/);
  fc.assert(
    fc.property(text, fc.stringMatching(/^[ab]{0,40}$/), fc.nat(10), fc.nat(40), (wanted, all, start, end) => {
      const found = createTextFinder(Buffer.from(wanted))(Buffer.from(all), start, Math.min(end, all.length));
      expect(found).toBe(all.slice(start, Math.max(start, end)).includes(wanted));
    }),
    { numRuns: 2_000 },
  );
});
