import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hourToIso, MAX_HOUR, MIN_HOUR } from '../model/hour.ts';
import { parseTimestamp } from './timestamp.ts';

function accepts(input: string, stored: string): void {
  test(`stores ${input} as ${stored}`, () => {
    const instant = parseTimestamp(input);
    expect(instant?.text).toBe(stored);
    expect(hourToIso(instant?.hour ?? Number.NaN)).toBe(`${stored.slice(0, 13)}:00:00Z`);
  });
}

function refuses(input: string): void {
  test(`refuses ${JSON.stringify(input)}`, () => {
    expect(parseTimestamp(input)).toBeUndefined();
  });
}

accepts('2025-11-22T15:23:00Z', '2025-11-22T15:23:00Z');
accepts('2025-11-22t15:23:00z', '2025-11-22T15:23:00Z');
accepts('2025-11-22T15:23:00+00:00', '2025-11-22T15:23:00Z');
accepts('2025-11-22T15:23:00-00:00', '2025-11-22T15:23:00Z');
accepts('2025-11-22T15:23:00+05:30', '2025-11-22T09:53:00Z');
accepts('2025-11-22T15:23:00-09:45', '2025-11-23T01:08:00Z');
accepts('2024-12-31T23:30:00-01:00', '2025-01-01T00:30:00Z');
accepts('2025-01-01T00:30:00+23:59', '2024-12-31T00:31:00Z');
accepts('2024-03-01T00:00:00+00:01', '2024-02-29T23:59:00Z');
accepts('2023-03-01T00:00:00+00:01', '2023-02-28T23:59:00Z');
accepts('2000-02-29T12:00:00Z', '2000-02-29T12:00:00Z');
accepts('0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z');
accepts('9999-12-31T23:59:59.999999999Z', '9999-12-31T23:59:59.999999999Z');
accepts('1969-12-31T23:59:59.5Z', '1969-12-31T23:59:59.5Z');
accepts('2016-12-31T23:59:60Z', '2017-01-01T00:00:00Z');
accepts('2016-12-31T23:59:60.75Z', '2017-01-01T00:00:00Z');
accepts('2017-01-01T08:59:60+09:00', '2017-01-01T00:00:00Z');
accepts('2025-11-22T15:23:00.120Z', '2025-11-22T15:23:00.12Z');
accepts('2025-11-22T15:23:00.000Z', '2025-11-22T15:23:00Z');
accepts('2025-11-22T15:23:00.0000000001Z', '2025-11-22T15:23:00Z');
accepts('2025-11-22T15:23:00.1234567899999Z', '2025-11-22T15:23:00.123456789Z');
accepts(`2025-11-22T15:23:00.1${'0'.repeat(900)}+01:00`, '2025-11-22T14:23:00.1Z');

for (const input of [
  '',
  'yesterday',
  '2025-11-22',
  '2025-11-22T15:23:00',
  '2025-11-22 15:23:00Z',
  '2025-11-22T15:23Z',
  '2025-11-22T15:23:60Z',
  '2016-12-31T22:59:60Z',
  '2016-12-31T23:59:60+01:00',
  '2016-12-31T23:59:61Z',
  '9999-12-31T23:59:60Z',
  '2025-11-22T24:00:00Z',
  '2025-11-22T15:60:00Z',
  '2023-02-29T00:00:00Z',
  '1900-02-29T00:00:00Z',
  '2025-04-31T00:00:00Z',
  '2025-00-10T00:00:00Z',
  '2025-13-10T00:00:00Z',
  '2025-11-00T00:00:00Z',
  '0000-06-01T00:00:00Z',
  '0000-12-31T23:30:00-01:00',
  '0001-01-01T00:00:00+00:01',
  '9999-12-31T23:59:59-00:01',
  '99999-01-01T00:00:00Z',
  '+02025-11-22T15:23:00Z',
  '2025-11-22T15:23:00.Z',
  '2025-11-22T15:23:00,5Z',
  '2025-11-22T15:23:00+0530',
  '2025-11-22T15:23:00+05',
  '2025-11-22T15:23:00+24:00',
  '2025-11-22T15:23:00+05:60',
  '2025-11-22T15:23:00ZZ',
  ' 2025-11-22T15:23:00Z',
  '2025-11-22T15:23:00Z\n',
  '２０２５-11-22T15:23:00Z',
  '2025-1-22T15:23:00Z',
  '2025-W47-6T15:23:00Z',
  `2025-11-22T15:23:00.${'0'.repeat(2000)}Z`,
]) {
  refuses(input);
}

test('agrees with Date on every second a Date can say', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: MIN_HOUR * 3600, max: MAX_HOUR * 3600 + 3599 }),
      fc.integer({ min: -1439, max: 1439 }),
      (second, offset) => {
        const local = new Date((second + offset * 60) * 1000);
        fc.pre(local.getUTCFullYear() >= 1 && local.getUTCFullYear() <= 9999);
        const sign = offset < 0 ? '-' : '+';
        const zone = new Date(Math.abs(offset) * 60_000).toISOString().slice(11, 16);
        const instant = parseTimestamp(`${local.toISOString().slice(0, 19)}${sign}${zone}`);
        expect(instant?.text).toBe(`${new Date(second * 1000).toISOString().slice(0, 19)}Z`);
        expect(instant?.hour).toBe(Math.floor(second / 3600));
      },
    ),
    { numRuns: 5_000 },
  );
});
