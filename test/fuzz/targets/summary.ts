import { hourToIso, parseHour } from '../../../src/model/hour.ts';
import { mapLimits, type OwnedSummary, SummaryFormatError } from '../../../src/model/summary.ts';
import { encodeSummary } from '../../../src/repo/summaries.ts';
import { parseSummaryFrom } from '../../../src/repo/summary-parser.ts';
import type { Random } from '../../support/random.ts';
import { type FuzzTarget, promise } from '../fuzz.ts';

/** The reader of summaries: what it accepts is what JSON.parse reads, and adds up. Everything else is a SummaryFormatError. */

const AT = { stream: 'access', hour: parseHour('2025-11-22T10') ?? 0 };
const KEYS = ['/', '/a', '__proto__', '123', 'é\u2028', '"\\\n', '', '\ud83d\ude00', 'x'.repeat(300)];
/** Bytes that come in one read. They do not divide a token at a place that the test chooses. */
const READ_BYTES = 7;

export const summaryTarget: FuzzTarget = {
  name: 'summary',
  runsPerSecond: 2_000,
  make(random: Random) {
    const records = random.int(0, 50);
    const counts = () => new Map(split(records, random).map((count, i) => [KEYS[i] ?? `/k${i}`, count]));
    const source = { bytes: records * 100, records, skippedLines: random.int(0, 3) };
    const summary = {
      ...AT,
      total: records,
      dimensions: ['path', 'userAgent'].map((name) => ({ name, counts: counts(), other: 0 })),
      source,
    };
    const text = [...encodeSummary(summary)].join('');
    return Buffer.from(random.chance(0.3) ? JSON.stringify(JSON.parse(text)) : text);
  },
  check(input) {
    let summary: OwnedSummary;
    let at = 0;
    const read = (target: Buffer) => {
      const copied = input.copy(target, 0, at, Math.min(input.length, at + READ_BYTES));
      at += copied;
      return copied;
    };
    try {
      summary = parseSummaryFrom(read, AT, mapLimits(1_000));
    } catch (error) {
      if (error instanceof SummaryFormatError) return;
      throw error;
    }
    const value = JSON.parse(input.toString()) as Record<string, unknown>;
    promise(value.hour === hourToIso(AT.hour) && value.totalRequests === summary.total, () => 'another hour or total');
    for (const [place, member] of ['requestsPerPath', 'requestsPerUserAgent'].entries()) {
      const expected = Object.entries(value[member] as Record<string, number>).sort();
      const { counts = new Map<string, number>(), other = 0 } = summary.dimensions[place] ?? {};
      promise(JSON.stringify([...counts].sort()) === JSON.stringify(expected), () => `${member} differs`);
      const named = [...counts.values()].reduce((sum, count) => sum + count, 0);
      promise(named + other === summary.total, () => `${member} does not add up`);
    }
  },
};

function split(total: number, random: Random): number[] {
  const parts: number[] = [];
  for (let left = total; left > 0; ) {
    const part = random.int(1, left);
    parts.push(part);
    left -= part;
  }
  return parts;
}
