import type { Io } from './command.ts';
import { printable } from './print.ts';
import type { Report } from './replay-file.ts';

export interface ReplayReport extends Report {
  /** Prints a message at once. */
  notify(message: string): void;
  /** Removes the progress and prints the summary line. */
  end(): void;
  /** The files were not empty, and no record was read. */
  readNothing(): boolean;
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
const PROGRESS_INTERVAL_MS = 200;

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

function emptyTally(): Tally {
  return { records: 0, batches: 0, duplicates: 0, unreadable: 0, refused: 0, listed: [], nouns: new Set() };
}

/** Progress on stderr if that is a terminal, problems on stderr, one line on stdout at the end. */
export function createReport({ io, files, now }: ReportOptions): ReplayReport {
  const start = now();
  const progress = createProgress(io.stderr, now);
  const tally = emptyTally();
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

  return {
    notify,
    begin({ name, noun, bytes, position }) {
      current = { noun, bytes };
      tally.nouns.add(noun);
      if (position.number > 0) notify(`${name}: continuing after ${noun} ${position.number}`);
    },
    unreadable(name, lines) {
      tally.unreadable += lines.length;
      for (const { number, reason } of lines) {
        const place = files === 1 ? `${number}` : `${printable(name)}:${number}`;
        if (tally.listed.length < LISTED_NUMBERS) tally.listed.push(place);
        explain(`${name}: cannot read ${current.noun} ${number}: ${reason}`);
      }
    },
    batch(name, sent, position) {
      tally.batches++;
      tally.records += sent.accepted;
      tally.refused += sent.rejected;
      if (sent.duplicate) tally.duplicates += sent.accepted;
      for (const { reason } of sent.rejections) {
        explain(
          `${name}: a record was refused in the batch that ends with ${current.noun} ${position.number}: ${reason}`,
        );
      }
      const share = current.bytes ? ` ${Math.floor((position.offset / current.bytes) * 100)} %,` : '';
      const counted = `${count(tally.records, 'record')}, ${perSecond(tally.records, now() - start)}`;
      progress.show(`${printable(name)}:${share} ${counted}`);
    },
    end() {
      progress.clear();
      io.stdout.write(`${summarise(tally, now() - start)}\n`);
    },
    readNothing: () => tally.records === 0 && tally.unreadable + tally.refused > 0,
  };
}

/** One line that is overwritten again and again, on a terminal only. */
export function createProgress(stderr: Io['stderr'], now: () => number) {
  let last = now();
  let length = 0;
  return {
    show(text: string): void {
      if (stderr.isTTY !== true || now() - last < PROGRESS_INTERVAL_MS) return;
      last = now();
      const shown = text.slice(0, (stderr.columns ?? 80) - 1);
      stderr.write(`\r${shown.padEnd(length)}`);
      length = shown.length;
    },
    clear(): void {
      if (length > 0) stderr.write(`\r${' '.repeat(length)}\r`);
      length = 0;
    },
  };
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

function number(value: number): string {
  return value.toLocaleString('en-US');
}

export function count(value: number, one: string, many = `${one}s`): string {
  return `${number(value)} ${value === 1 ? one : many}`;
}
