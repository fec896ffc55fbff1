import { describe, expect, it } from 'vitest';
import { createAudience } from './audience.ts';

const CHROME =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/31.0.1650.63 Safari/537.36';
const GOOGLEBOT = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';

describe('the audience', () => {
  it('tells people, bots and no user agent apart', () => {
    const { split } = createAudience();
    const counts = new Map([
      [CHROME, 5],
      [GOOGLEBOT, 3],
      ['curl/8.5.0', 2],
      ['-', 7],
      ['', 1],
    ]);
    expect(split(counts)).toEqual({ people: 5, bots: 5, unknown: 8 });
  });

  it('says of one what it is', () => {
    const { kindOf } = createAudience();
    expect([CHROME, GOOGLEBOT, 'python-requests/2.31', '-'].map(kindOf)).toEqual(['people', 'bots', 'bots', 'unknown']);
  });

  it('comes to the same with few verdicts kept, and with hostile names', () => {
    const { split } = createAudience({ maxVerdicts: 2 });
    const counts = new Map([
      [CHROME, 1],
      ['__proto__', 1],
      [GOOGLEBOT, 1],
      [`${CHROME}${'x'.repeat(300_000)}`, 1],
    ]);
    for (let i = 0; i < 2; i++) {
      const { people, bots, unknown } = split(counts);
      expect({ sum: people + bots + unknown, unknown, bots: bots >= 1 }).toEqual({ sum: 4, unknown: 0, bots: true });
    }
  });
});
