import { describe, expect, it } from 'vitest';
import { KeyTable } from '../model/key-table.ts';
import { settleAges, type TimeMark } from './key-ages.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;
const T = 1_764_000_000_000;

/** The ages in hours that the keys have at a start, in the order of use. A `mark` is a time without a key. */
function agesOf(times: readonly (number | { readonly mark: number })[], clock: number) {
  const table = new KeyTable({ maxKeys: 100 });
  const marks: TimeMark[] = [];
  for (const [index, time] of times.entries()) {
    if (typeof time !== 'number') marks.push({ sequence: table.end, time: time.mark });
    else table.add({ key: `k${index}`, bodyHash: 'h', answer: '{"accepted":1}', time });
  }
  const elapsed = { ms: 12_345 };
  const { now, gap } = settleAges({ table, marks, time: clock, elapsed: () => elapsed.ms });
  const ages: number[] = [];
  table.retime((time) => {
    ages.push((now() - time) / HOUR);
    return time;
  });
  elapsed.ms += 5 * HOUR;
  return { ages, now: now() - 5 * HOUR, gap };
}

describe('keys at a start', () => {
  it('are as old as the clock says, when it goes on from them', () => {
    const { ages, now, gap } = agesOf([T, T + HOUR, T + 3 * HOUR], T + 25 * HOUR);
    expect(ages).toEqual([25, 24, 22]);
    expect([now, gap]).toEqual([T + 25 * HOUR, undefined]);
  });

  it('keep their age when the clock is a year ahead, and when it is back', () => {
    const ahead = agesOf([T, T + HOUR], T + YEAR);
    expect(ahead.ages).toEqual([1, 0]);
    expect(ahead.gap).toEqual({ newest: T + HOUR, clock: T + YEAR });
    // The clock is right again. One key was used at the wrong time.
    expect(agesOf([T, T + HOUR, T + YEAR + HOUR], T + 4 * HOUR).ages).toEqual([1, 0, 0]);
    expect(agesOf([T, T + YEAR, T + 2 * HOUR], T + 4 * HOUR).ages).toEqual([2, 2, 2]);
  });

  it('keep their age when the clock was put back by days, and when it is right again', () => {
    const back = agesOf([T, T + HOUR], T - 5 * DAY);
    expect([back.ages, back.now]).toEqual([[1, 0], T + HOUR]);
    expect(back.gap).toEqual({ newest: T + HOUR, clock: T - 5 * DAY });
    expect(agesOf([T, T + HOUR, T + 2 * HOUR], T + 4 * HOUR).ages).toEqual([4, 3, 2]);
  });

  it('keep their age when the clock was put back by years', () => {
    const back = agesOf([T, T + HOUR], T - YEAR);
    expect([back.ages, back.now]).toEqual([[1, 0], T - YEAR]);
    expect(agesOf([T, T + HOUR, T - YEAR, T - YEAR + HOUR], T + 4 * HOUR).ages).toEqual([2, 1, 1, 0]);
  });

  it('grow old although no key comes: each start leaves a mark', () => {
    const first = [T, T + YEAR];
    expect(agesOf(first, T + 2 * HOUR).ages).toEqual([0, 0]);
    expect(agesOf([...first, { mark: T + 2 * HOUR }], T + 20 * HOUR).ages).toEqual([18, 18]);
    expect(agesOf([...first, { mark: T + 2 * HOUR }, { mark: T + 20 * HOUR }], T + 28 * HOUR).ages).toEqual([26, 26]);
  });

  it('that a message brought late are as old as they say', () => {
    expect(agesOf([T, T - 30 * HOUR, T + HOUR], T + 2 * HOUR).ages).toEqual([2, 32, 1]);
  });

  it('with an absurd time do not harm the others', () => {
    expect(agesOf([T, 1e15, T + HOUR, 0, T + 2 * HOUR], T + 3 * HOUR).ages).toEqual([1, 1, 1, 1, 1]);
  });
});
