import { quantile } from '../attack/judge.ts';
import type { LifeResult } from './life.ts';
import type { Figures, RoundResult, Version } from './reliability.ts';

/** The figures of a run. */
export interface Summary {
  readonly version: Version;
  readonly seed: number;
  readonly seconds: number;
  readonly lives: number;
  readonly rounds: number;
  readonly kills: number;
  readonly stops: number;
  readonly diskStrikes: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly batches: number;
  readonly acknowledgedBatches: number;
  /** Records that were found in the store or among the dead letters. */
  readonly recordsAcknowledged: number;
  readonly recordsStored: number;
  /** Broken promises, by kind. */
  readonly lost: number;
  readonly doubled: number;
  readonly partial: number;
  readonly changed: number;
  readonly unaccounted: number;
  readonly otherProblems: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly slowestNextRequestMilliseconds: number;
  /** Over the rounds with a bound: the p99 of the worst round, and the median of the rounds. */
  readonly honestP99Milliseconds: { readonly worst: number; readonly median: number };
}

const KINDS = {
  lost: /was acknowledged and is not stored|shrank/,
  doubled: /is stored \d+ times|and stored \d+ times/,
  partial: /the others are not|half a line/,
  changed: /and should be|stands after|stands in the file|never sent/,
  unaccounted: /unaccounted|have an outcome|the answers say|stay in flight/,
} as const;

export function summarise(results: readonly LifeResult[]): Omit<Summary, 'version' | 'seed' | 'seconds'> {
  const rounds = results.flatMap((result) => result.rounds);
  const problems = [...results.flatMap((life) => life.problems), ...rounds.flatMap((round) => round.problems)];
  const count = (kind: RegExp) => problems.filter((problem) => kind.test(problem)).length;
  const sum = (of: (life: LifeResult) => number) => results.reduce((total, life) => total + of(life), 0);
  const refused: Record<string, number> = {};
  for (const { others } of results) {
    for (const [title, times] of others) refused[title] = (refused[title] ?? 0) + times;
  }
  const faults: Record<string, number> = {};
  for (const name of rounds.flatMap((round) => round.faults)) faults[name] = (faults[name] ?? 0) + 1;
  const p99s = rounds.flatMap(({ honestP99Milliseconds: p99 }) => (p99 === undefined ? [] : [p99]));
  const kinds = Object.values(KINDS);
  return {
    lives: results.length,
    rounds: rounds.length,
    ...sumFigures(rounds),
    faults,
    batches: sum(({ totals }) => totals.batches),
    acknowledgedBatches: sum(({ totals }) => totals.acknowledged),
    recordsAcknowledged: sum(({ totals }) => totals.acknowledgedRecords),
    recordsStored: sum(({ totals }) => totals.stored),
    lost: count(KINDS.lost),
    doubled: count(KINDS.doubled),
    partial: count(KINDS.partial),
    changed: count(KINDS.changed),
    unaccounted: count(KINDS.unaccounted),
    otherProblems: problems.filter((problem) => !kinds.some((kind) => kind.test(problem))).length,
    refused,
    slowestNextRequestMilliseconds: Math.max(0, ...rounds.map(({ nextRequestMilliseconds: next }) => next)),
    honestP99Milliseconds: { worst: Math.max(0, ...p99s), median: quantile(p99s, 0.5) },
  };
}

function sumFigures(rounds: readonly RoundResult[]): Figures {
  const sum: Figures = { kills: 0, stops: 0, diskStrikes: 0 };
  for (const { figures } of rounds) {
    sum.kills += figures.kills;
    sum.stops += figures.stops;
    sum.diskStrikes += figures.diskStrikes;
  }
  return sum;
}

/** One line, and a line for each problem. */
export function renderRound(round: RoundResult): string {
  const { life, number, faults, notes, problems, milliseconds, nextRequestMilliseconds, honestP99Milliseconds } = round;
  const about = notes.length === 0 ? '' : ` (${notes.join('; ')})`;
  const p99 = honestP99Milliseconds === undefined ? '' : `, p99 ${honestP99Milliseconds.toFixed(0)} ms`;
  const verdict = problems.length === 0 ? 'kept' : 'BROKEN';
  const line = `life ${life} round ${number}: ${faults.join(' + ')}${about}: ${verdict}, ${milliseconds.toFixed(0)} ms, next request ${nextRequestMilliseconds.toFixed(0)} ms${p99}`;
  return [line, ...problems.map((problem) => `  BROKEN: ${problem}`)].join('\n');
}

export function renderTable(summary: Summary): string {
  const { version, seed, faults, refused, honestP99Milliseconds, slowestNextRequestMilliseconds } = summary;
  const list = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, times]) => `${name} ${times}`)
      .join(', ');
  const rows = [
    ['version, seed', `${version}, ${seed}`],
    ['rounds, lives', `${summary.rounds} in ${summary.lives} lives, ${summary.seconds} s`],
    ['kills, stops', `${summary.kills}, ${summary.stops}`],
    ['strikes of the disk', String(summary.diskStrikes)],
    ['faults', list(faults)],
    ['batches', `${summary.batches} sent, ${summary.acknowledgedBatches} acknowledged`],
    ['records', `${summary.recordsAcknowledged} acknowledged, ${summary.recordsStored} stored`],
    ['lost, doubled, partial', `${summary.lost}, ${summary.doubled}, ${summary.partial}`],
    ['changed or out of order', String(summary.changed)],
    ['unaccounted', String(summary.unaccounted)],
    ['other problems', String(summary.otherProblems)],
    ['not acknowledged', list(refused)],
    ['slowest next request', `${slowestNextRequestMilliseconds.toFixed(0)} ms`],
    [
      'honest p99',
      `median round ${honestP99Milliseconds.median.toFixed(0)} ms, worst ${honestP99Milliseconds.worst.toFixed(0)} ms`,
    ],
  ] as const;
  const width = Math.max(...rows.map(([name]) => name.length));
  return `\n${rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`).join('\n')}`;
}
