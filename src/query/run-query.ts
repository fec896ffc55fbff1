import { type Hour, hourToIso } from '../model/hour.ts';
import type { Stream } from '../model/stream.ts';
import type { CommittedHour } from '../repo/repo.ts';
import { withCauses } from '../runtime/thread.ts';
import { createFilter, type Filter } from './filter.ts';
import {
  BlockMemory,
  type BlockOptions,
  type HourSource,
  readBackward,
  readForward,
  type UnreadRange,
} from './hour-blocks.ts';
import { type Matching, matchBackward, matchForward, type Pauses } from './match-block.ts';
import { createCsvWriter, createFieldsWriter, csvHead, OutputSlice, type WriteRecord, writeLine } from './output.ts';
import { type DamagedPart, hoursOf, type QueryHour, type RecordQuery } from './query.ts';

/** What one step of a query did. */
export interface Step {
  /** Whole records, in memory that belongs to whoever gets them. */
  readonly bytes: Buffer;
  /** Bytes of hours that were read. */
  readonly read: number;
  /** Found in this step; of a query the first MAX_DAMAGED. */
  readonly damaged: readonly DamagedPart[];
  /** How many others there are. */
  readonly moreDamaged: number;
  /** `hours`: it needs further hours. */
  readonly state: 'more' | 'hours' | 'done';
}

/** A query that runs, step by step. */
export interface QueryRun {
  /** Adds hours to read, in the order of the query. `isEnd`: no others follow. */
  add(hours: readonly QueryHour[], isEnd: boolean): void;
  /** Works for about STEP_MS, or until there is a slice of records. */
  step(): Step;
  /** Closes the hour that it reads. */
  close(): void;
}

export interface QueryParts {
  readonly openHour: (hour: CommittedHour) => (HourSource & { close(): void }) | undefined;
  /** The damage that an error of a read names; undefined for any other error. */
  readonly rangeOf: BlockOptions['rangeOf'];
  readonly now?: () => number;
}

/** Queries take turns in one thread, so a step is what the others wait for: milliseconds. */
const STEP_MS = 25;
/** Bytes of lines that are looked at between two looks at the clock. A large pattern needs 100 ms for the few with `matches`. */
const BYTES_A_LOOK = 32 * 1024;
const BYTES_A_LOOK_MATCHES = 4 * 1024;
/** Damaged parts that an answer names. */
const MAX_DAMAGED = 1_000;

/**
 * Runs a query over hours that it is given. It looks at bytes: a block is searched as a whole for text that a record must hold, and only
 * lines with it are read further. Throws QueryTextError for a pattern that cannot be used.
 */
export function createQueryRun(query: RecordQuery, stream: Pick<Stream, 'required'>, parts: QueryParts): QueryRun {
  const { now = () => performance.now() } = parts;
  const filter = createFilter(query);
  const output = new OutputSlice();
  const fields = query.fields ?? (query.format === 'csv' ? ['timestamp', ...stream.required] : undefined);
  const scan: Scan = {
    query,
    parts,
    memory: new BlockMemory(),
    output,
    write: writerOf(query, fields),
    left: query.limit,
    hours: [],
    isEnd: false,
    read: 0,
    damaged: [],
    damagedLeft: MAX_DAMAGED,
    moreDamaged: 0,
    bytesALook: query.matches === undefined ? BYTES_A_LOOK : BYTES_A_LOOK_MATCHES,
    mustPause: () => output.isFull || now() >= deadline,
  };
  let deadline = 0;
  const work = scanHours(scan, filter.ofHour);
  if (fields !== undefined && query.format === 'csv') output.text(csvHead(fields));

  return {
    add(hours, isEnd) {
      scan.hours.push(...hours);
      scan.isEnd = isEnd;
    },
    step() {
      deadline = now() + STEP_MS;
      const { value, done } = work.next();
      const { read, damaged, moreDamaged } = scan;
      scan.read = 0;
      scan.damaged = [];
      scan.moreDamaged = 0;
      return { bytes: output.take(), read, damaged, moreDamaged, state: done ? 'done' : value };
    },
    close: () => void work.return(undefined),
  };
}

/** The state of a run. */
interface Scan extends Matching {
  readonly query: RecordQuery;
  readonly parts: QueryParts;
  readonly memory: BlockMemory;
  readonly hours: QueryHour[];
  isEnd: boolean;
  read: number;
  damaged: DamagedPart[];
  /** Parts that may still be named, and how many were not. */
  damagedLeft: number;
  moreDamaged: number;
}

function writerOf({ format }: RecordQuery, fields: readonly string[] | undefined): WriteRecord {
  if (fields === undefined) return writeLine;
  return format === 'csv' ? createCsvWriter(fields) : createFieldsWriter(fields);
}

function* scanHours(scan: Scan, filterOf: (isWhole: boolean) => Filter): Pauses {
  const range = hoursOf(scan.query);
  while (scan.left > 0) {
    const hour = scan.hours.shift();
    if (hour !== undefined && (hour.hour < range.from || hour.hour >= range.to)) continue;
    if (hour !== undefined) yield* scanHour(scan, hour, filterOf(isWithin(hour.hour, range, scan.query)));
    else if (scan.isEnd) return;
    else yield 'hours';
  }
}

/** Whether all records of the hour are within the time of the query. */
function isWithin(hour: Hour, range: ReturnType<typeof hoursOf>, { from, to }: RecordQuery): boolean {
  const startsBefore = from !== undefined && hour === range.from && from.text !== hourToIso(hour);
  const endsAfter = to !== undefined && hour === range.to - 1 && to.text !== hourToIso(range.to);
  return !startsBefore && !endsAfter;
}

function* scanHour(scan: Scan, found: QueryHour, filter: Filter): Pauses {
  const { stream, hour } = found;
  const onUnread = (range: UnreadRange): void => {
    if (scan.damagedLeft === 0) {
      scan.moreDamaged += 1;
    } else {
      scan.damagedLeft -= 1;
      scan.damaged.push({ stream, hour, ...range });
    }
  };
  if ('reason' in found) {
    onUnread({ offset: 0, bytes: 0, reason: found.reason });
    return;
  }
  const { bytes } = found;
  let source: ReturnType<QueryParts['openHour']>;
  try {
    source = scan.parts.openHour(found);
  } catch (error) {
    onUnread({ offset: 0, bytes, reason: withCauses(error).message });
  }
  // Removed by retention, or by hand.
  if (source === undefined) return;
  try {
    const end = Math.min(bytes, source.size);
    if (end < bytes)
      onUnread({ offset: end, bytes: bytes - end, reason: `the file ends before its committed length ${bytes}` });
    const isBackward = scan.query.order === 'desc';
    const read = isBackward ? readBackward : readForward;
    const matchBlock = isBackward ? matchBackward : matchForward;
    const options = {
      source,
      bytes: end,
      memory: scan.memory,
      rangeOf: scan.parts.rangeOf,
      onUnread,
      onRead: (count: number) => {
        scan.read += count;
      },
    };
    for (const block of read(options)) {
      yield* matchBlock(scan, block, { filter, onUnread });
      if (scan.left === 0) return;
      if (scan.mustPause()) yield 'more';
    }
  } finally {
    source.close();
  }
}
