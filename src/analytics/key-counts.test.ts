import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MapLimits } from '../model/summary.ts';
import { createFileCounter, createLineCounter, type FieldCounts, type LineCounts } from './summarise.ts';

const line = (path: string, userAgent = 'x'): string =>
  `${JSON.stringify({ timestamp: '2015-05-17T10:05:03Z', path, userAgent })}\n`;

function count(text: string, limits: MapLimits, before?: FieldCounts): LineCounts {
  const bytes = Buffer.from(text);
  const read = (target: Buffer, offset: number, length: number, at: number) =>
    bytes.copy(target, offset, at, at + length);
  const counter = createLineCounter({ before, limits });
  return createFileCounter({ sliceBytes: 1 << 16 })(read, 0, bytes.length, counter);
}

/** The truth: the first keys that came and fit. */
function countByHand(paths: readonly string[], { maxKeys, maxKeyBytes }: MapLimits) {
  const counts = new Map<string, number>();
  let bytes = 0;
  let other = 0;
  for (const path of paths) {
    const length = Buffer.byteLength(path);
    if (!counts.has(path)) {
      if (counts.size >= maxKeys || bytes + length > maxKeyBytes) {
        other += 1;
        continue;
      }
      bytes += length;
    }
    counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  return { counts, other };
}

describe('a map that is full', () => {
  it('names the first keys that came, and counts the records of later ones', () => {
    const counts = count(['/a', '/b', '/a', '/c', '/b', '/c'].map((path) => line(path)).join(''), {
      maxKeys: 2,
      maxKeyBytes: 100,
    });
    expect(counts).toMatchObject({ records: 6, others: [2, 0] });
    expect([...(counts.byField[0] ?? [])]).toEqual([
      ['/a', 2],
      ['/b', 2],
    ]);
  });

  it('is full by the bytes of its keys too; a shorter key may still fit', () => {
    const counts = count(['/a', '/longer', '/b', '/longer'].map((path) => line(path)).join(''), {
      maxKeys: 100,
      maxKeyBytes: 4,
    });
    expect(counts.byField[0]).toEqual(
      new Map([
        ['/a', 1],
        ['/b', 1],
      ]),
    );
    expect(counts.others).toEqual([2, 0]);
  });

  it('gives no room to a key of a line that is no record', () => {
    const broken = line('/broken', 'U').replace('"U"', '"\\q"');
    const counts = count(broken + line('/a'), { maxKeys: 1, maxKeyBytes: 100 });
    expect(counts).toMatchObject({ records: 1, skippedLines: 1, others: [0, 0], byField: [new Map([['/a', 1]]), {}] });
  });

  it('holds the same counts, however often the hour was counted in between', () => {
    const key = fc.oneof(
      fc.constantFrom('/', '/a', '__proto__', '', 'é', '"', '\\', '\ud800', '123'),
      fc.string({ unit: 'binary', maxLength: 6 }),
    );
    const limits = fc.record({ maxKeys: fc.integer({ min: 1, max: 6 }), maxKeyBytes: fc.integer({ min: 1, max: 20 }) });
    fc.assert(
      fc.property(
        fc.array(key, { maxLength: 30 }),
        fc.array(fc.nat(30), { maxLength: 4 }),
        limits,
        (paths, cuts, max) => {
          const expected = countByHand(paths, max);
          const ends = [...cuts.filter((cut) => cut < paths.length).sort((a, b) => a - b), paths.length];
          let counts: FieldCounts | undefined;
          let from = 0;
          for (const end of ends) {
            counts = count(
              paths
                .slice(from, end)
                .map((path) => line(path))
                .join(''),
              max,
              counts,
            );
            from = end;
          }
          expect(counts?.byField[0]).toEqual(expected.counts);
          expect(counts?.others[0]).toBe(expected.other);
        },
      ),
      { numRuns: 500 },
    );
  });
});
