import { expect, test } from 'vitest';
import { createTimeReader, readUnixTime } from './log-time.ts';

function reads(text: string, stored: string | undefined, zone = 0): void {
  test(`reads ${text} in zone ${zone} as ${stored}`, () => {
    expect(createTimeReader(zone)(text)).toBe(stored);
  });
}

reads('05/Mar/2026:10:00:01 +0000', '2026-03-05T10:00:01Z');
reads('05/Mar/2026:10:00:01 -0130', '2026-03-05T11:30:01Z');
reads('05/Mar/2026:10:00:01.120 +0000', '2026-03-05T10:00:01.12Z');
reads('5/Mar/2026:10:00:01', '2026-03-05T10:00:01Z');
reads('05/Mar/2026:00:00:01', '2026-03-04T22:00:01Z', 120);
reads('05/Mar/2026:00:00:01', '2026-03-05T03:30:01Z', -210);
reads('05/Mar/2026:00:00:01 +0000', '2026-03-05T00:00:01Z', 120);
reads('2026-03-05T10:00:01+00:00', '2026-03-05T10:00:01Z');
reads('2026-03-05T10:00:01+0530', '2026-03-05T04:30:01Z');
reads('2026-03-05 10:00:01,5', '2026-03-05T08:00:01.5Z', 120);
reads('2026-03-05T10:00:01.123456789Z', '2026-03-05T10:00:01.123456789Z');
reads('31/Dec/2016:23:59:60 +0000', '2017-01-01T00:00:00Z');
reads('2017-01-01T05:29:60.5+05:30', '2017-01-01T00:00:00Z');
reads('31/Dec/2016:23:58:60 +0000', undefined);
reads('31/Feb/2026:10:00:01 +0000', undefined);
reads('05/Foo/2026:10:00:01 +0000', undefined);
reads('05/Mar/2026', undefined);
reads('', undefined);
reads(`2026-03-05T10:00:01.${'1'.repeat(60)}Z`, undefined);

test('knows each of two times that take turns', () => {
  const readTime = createTimeReader(0);
  const read = ['2026-03-05T10:00:01Z', 'x', '2026-03-05T10:00:01Z', '2026-03-05T10:00:02Z'].map((text) =>
    readTime(text),
  );
  expect(read).toEqual(['2026-03-05T10:00:01Z', undefined, '2026-03-05T10:00:01Z', '2026-03-05T10:00:02Z']);
});

test.each([
  ['1760332652', '2025-10-13T05:17:32Z'],
  ['1760332652.525', '2025-10-13T05:17:32.525Z'],
  ['1760332652525', '2025-10-13T05:17:32.525Z'],
  ['1760332652525001', '2025-10-13T05:17:32.525001Z'],
  ['1760332652525001002', '2025-10-13T05:17:32.525001002Z'],
  ['20260305', undefined],
  ['1760332652.', undefined],
  ['-1760332652', undefined],
])('reads the Unix time %s as %s', (text, stored) => {
  expect(readUnixTime(text)).toBe(stored);
});
