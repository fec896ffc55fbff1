import { type Cell, describeCell, type Part, type Transport } from './cells.ts';
import type { Machine } from './machine.ts';
import type { Result } from './run.ts';

/** A row and what its runs gave. */
export interface Row {
  readonly cell: Cell;
  readonly runs: readonly Result[];
  /** Why there are no runs, or fewer. */
  readonly failure?: string;
}

/** All of a measurement, as it is written to bench/results/transports.json. */
export interface Measurement {
  readonly date: string;
  readonly machine: Machine;
  /** Of each run. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly rows: readonly Row[];
}

/** Finds a row. What is absent may be anything; the first that fits is given. */
export interface Wanted {
  readonly part: Part;
  readonly transport: Transport;
  readonly size?: number;
  readonly producers?: number;
  readonly recordsPerSend?: number;
  readonly connection?: Cell['connection'];
  readonly rate?: number;
}

export type Find = (wanted: Wanted) => Result | undefined;

/** The run with the median rate of each row; undefined where there is none. */
export function createFind({ rows }: Pick<Measurement, 'rows'>): Find {
  return function find(wanted) {
    const keys = Object.keys(wanted) as (keyof Wanted)[];
    const row = rows.find(({ cell }) => keys.every((key) => cell[key] === wanted[key]));
    return row && medianRun(row);
  };
}

export function medianRun({ runs }: Row): Result | undefined {
  const sorted = runs.toSorted((a, b) => a.recordsPerSecond - b.recordsPerSecond);
  return sorted[(sorted.length - 1) >> 1];
}

/** Rows that could not be measured, one line each. */
export function listFailures({ rows }: Pick<Measurement, 'rows'>): string[] {
  return rows.flatMap(({ cell, failure }) => (failure === undefined ? [] : [`- ${describeCell(cell)}: ${failure}`]));
}

/** CPU seconds of a million records at both ends. */
export function bothEnds({ sendersCpu, receiverCpu }: Result): number {
  return sendersCpu + receiverCpu;
}

/** Share of what was sent that is not stored. */
export function lostShare({ lost, sent }: Pick<Result, 'lost' | 'sent'>): number {
  return sent === 0 ? 0 : lost / sent;
}

export function percent(share: number): string {
  if (share === 0) return '0';
  const value = share * 100;
  return `${value < 0.01 ? '< 0.01' : value.toFixed(value < 1 ? 2 : 1)} %`;
}
