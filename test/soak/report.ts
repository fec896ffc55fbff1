import type { SoakResult } from './soak.ts';

/** Above this share of the machine for other programs, times say nothing about the service, and are not judged. */
const OTHERS_LIMIT = 0.25;

/** Everything that was not as it should be. Empty: the soak is passed. */
export function findFaults({ problems, growth, largest, others }: SoakResult): string[] {
  const isJudged = ({ unit }: { readonly unit: string }) => judges(unit, others);
  return [
    ...problems,
    ...growth
      .filter((series) => series.decision === 'fail' && isJudged(series))
      .map(({ name, unit, slope, limit }) => {
        return `${name} grows by ${round(slope?.low)} ${unit} an hour at least (limit ${round(limit)})`;
      }),
    ...largest
      .filter((series) => series.value > series.limit && isJudged(series))
      .map(({ name, unit, value, limit }) => `${name} reached ${round(value)} ${unit} (limit ${limit})`),
  ];
}

function judges(unit: string, others: number): boolean {
  return unit !== 'ms' || others <= OTHERS_LIMIT;
}

/** The result as text. */
export function renderSoak(result: SoakResult): string {
  const { plan, growth, largest, records, unknownBatches, burstRecordsPerSecond, requests, starts, others } = result;
  const faults = findFaults(result);
  const ends = plan.stretches.slice(0, -1).map(({ signal }) => signal);
  const growths = growth.map(({ name, unit, median, slope, limit, decision }) => [
    name,
    `${round(median)} ${unit}`.trim(),
    slope === undefined ? '' : signed(slope.perHour),
    slope === undefined || !Number.isFinite(slope.low) ? 'unknown' : `${signed(slope.low)} to ${signed(slope.high)}`,
    round(limit),
    judges(unit, others) ? WORDS[decision] : 'not judged',
  ]);
  return [
    '',
    `records    ${records.acknowledged + records.burst + records.honest} stored as they were acknowledged, exactly once; ${unknownBatches} batches had no answer`,
    `bursts     ${records.burst} records, ${Math.round(burstRecordsPerSecond)} a second with the generator on the same machine`,
    `requests   ${Object.entries(requests)
      .map(([name, count]) => `${name} × ${count}`)
      .join(', ')}`,
    `starts     ${starts.map(({ after, ms }) => `${Math.round(ms)} ms after ${after}`).join(', ')}`,
    `restarts   ${ends.length === 0 ? 'none' : ends.join(', ')}`,
    `machine    other programs took ${Math.round(others * 100)} % of its CPU time${others > OTHERS_LIMIT ? ': times are not judged' : ''}`,
    '',
    ...table([['growth', 'median', 'an hour', '95 % interval', 'limit', ''], ...growths]),
    '',
    ...table([
      ['largest value', '', 'limit', ''],
      ...largest.map(({ name, unit, value, limit }) => [
        name,
        `${round(value)} ${unit}`,
        String(limit),
        !judges(unit, others) ? 'not judged' : value > limit ? 'FAIL' : 'pass',
      ]),
    ]),
    '',
    ...faults.map((fault) => `FAULT: ${fault}`),
    faults.length === 0 ? 'PASS' : 'FAIL',
  ].join('\n');
}

const WORDS = { pass: 'pass', fail: 'FAIL', undecided: 'undecided: only a longer run can say' } as const;

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function round(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return 'unknown';
  return value.toFixed(Math.abs(value) < 10 ? 1 : 0);
}

function signed(value: number): string {
  return `${value > 0 ? '+' : ''}${round(value)}`;
}
