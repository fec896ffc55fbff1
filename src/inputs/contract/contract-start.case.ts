import { describe, expect, it } from 'vitest';
import type { InputFixture } from './fixture.case.ts';
import { setUp } from './flow.case.ts';

export function describeStart(fixture: InputFixture): void {
  describe('the start', () => {
    it('makes it ready, and the stop makes it not ready', async () => {
      const { input, start } = await setUp(fixture);
      await expect(input.check()).rejects.toThrow();
      const where = await start();
      expect(where).not.toBe('');
      await input.check();
      const stopped = input.stop(1_000);
      await expect(input.check()).rejects.toThrow('stopping');
      await stopped;
      await expect(input.check()).rejects.toThrow();
    });

    it('lets a sender send at once', async () => {
      const { start, connect, lines, awaitLines } = await setUp(fixture);
      await start();
      const sender = await connect();
      await sender.send('first\n');
      await awaitLines(1);
      expect(lines).toEqual(['first']);
    });
  });
}
