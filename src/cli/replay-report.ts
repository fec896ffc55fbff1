import { aboutPath } from '../app/files/follow-report.ts';
import type { DeliveryReport, SliceOutcome } from '../app/files/slice-outcome.ts';
import { describePlace } from '../app/files/slice-outcome.ts';
import type { Slice } from '../inputs/files/files.ts';
import type { ReadReport } from '../inputs/files/read-files.ts';
import type { Io } from './command.ts';
import { printable } from './print.ts';
import { count, createProgress, number } from './progress.ts';

export interface ReplayReport extends ReadReport, DeliveryReport {
  delivered(slice: Slice, outcome?: SliceOutcome): void;
  /** Removes the progress and prints the summary line. */
  end(): void;
  readonly tally: Readonly<Tally>;
}

export interface ReportOptions {
  readonly io: Io;
  /** With one file, its name is not repeated for every line. */
  readonly files: number;
  /** Milliseconds on a clock that only goes forward. */
  readonly now: () => number;
}

const LISTED_NUMBERS = 20;
const LISTED_REASONS = 20;

/** The counts so far. */
interface Tally {
  records: number;
  batches: number;
  duplicates: number;
  unreadable: number;
  refused: number;
  /** The first of the unreadable. */
  readonly listed: string[];
  /** The words for a record in the files; when there are several, the word is record. */
  readonly nouns: Set<string>;
}

/** Progress on stderr if that is a terminal, problems on stderr, one line on stdout at the end. */
export function createReport({ io, files, now }: ReportOptions): ReplayReport {
  const start = now();
  const progress = createProgress(io.stderr, now);
  const tally = createTally();
  /** Of slices that are delivered, and whose turn in their file has not come. */
  const outcomes = new Map<Slice, SliceOutcome>();
  let current = { noun: 'line', bytes: undefined as number | undefined };
  let reasons = 0;

  function notify(message: string): void {
    progress.clear();
    io.stderr.write(`${printable(message)}\n`);
  }

  function explain(message: string): void {
    reasons++;
    if (reasons <= LISTED_REASONS) notify(message);
    else if (reasons === LISTED_REASONS + 1) notify('… further problems are only counted, see the last line');
  }

  function tell(slice: Slice, outcome: SliceOutcome): void {
    const { name, converted, position } = slice;
    addTo(tally, slice, outcome, files > 1);
    for (const { number: line, reason } of converted.unreadable) {
      explain(`${name}: cannot read ${current.noun} ${line}: ${reason}`);
    }
    for (const refusal of outcome.refusals) {
      explain(`${name}: ${current.noun} ${describePlace(refusal)} was refused: ${refusal.reason}`);
    }
    const share = current.bytes ? ` ${Math.floor((position.offset / current.bytes) * 100)} %,` : '';
    const counted = `${count(tally.records, 'record')}, ${perSecond(tally.records, now() - start)}`;
    progress.show(`${printable(name)}:${share} ${counted}`);
  }

  return {
    tally,
    notify,
    begin({ name, noun, size, position }) {
      current = { noun, bytes: size };
      tally.nouns.add(noun);
      if (position.number > 0) notify(`${name}: continuing after ${noun} ${position.number}`);
    },
    delivered(slice, outcome) {
      // First by the delivery, with what became of it, then by the reading, in the order of the file.
      if (outcome !== undefined) return void outcomes.set(slice, outcome);
      const known = outcomes.get(slice);
      outcomes.delete(slice);
      if (known !== undefined) tell(slice, known);
    },
    warn: (name, message) => notify(aboutPath(name, message)),
    fault: (name, { message }) => notify(aboutPath(name, message)),
    end() {
      progress.clear();
      io.stdout.write(`${summarise(tally, now() - start)}\n`);
    },
  };
}

function createTally(): Tally {
  return { records: 0, batches: 0, duplicates: 0, unreadable: 0, refused: 0, listed: [], nouns: new Set() };
}

function addTo(tally: Tally, { name, converted }: Slice, outcome: SliceOutcome, isNamed: boolean): void {
  const { batches, stored, duplicates, refused } = outcome;
  tally.batches += batches;
  tally.records += stored + duplicates;
  tally.duplicates += duplicates;
  tally.refused += refused;
  tally.unreadable += converted.unreadable.length;
  for (const line of converted.unreadable) {
    if (tally.listed.length === LISTED_NUMBERS) return;
    tally.listed.push(isNamed ? `${printable(name)}:${line.number}` : `${line.number}`);
  }
}

function summarise({ records, batches, duplicates, unreadable, refused, listed, nouns }: Tally, ms: number): string {
  const [noun = 'line', ...others] = nouns;
  const list = listed.length < unreadable ? [...listed, '…'] : listed;
  const parts = [
    `replayed ${count(records, 'record')} in ${count(batches, 'batch', 'batches')}`,
    `${count(unreadable, others.length === 0 ? noun : 'record')} unreadable${unreadable > 0 ? ` (${list.join(', ')})` : ''}`,
    ...(refused > 0 ? [`${number(refused)} refused by the service`] : []),
    count(duplicates, 'duplicate'),
    `${(ms / 1000).toFixed(1)} s`,
    perSecond(records, ms),
  ];
  return parts.join(', ');
}

function perSecond(records: number, ms: number): string {
  return `${number(Math.round(records / Math.max(ms / 1000, 0.001)))} records/s`;
}
