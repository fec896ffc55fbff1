import { createLayout, type Layout, TIMESTAMP } from '../lines/layout.ts';
import { memberTokens } from '../lines/member-tokens.ts';
import { createPlainRecord, createPlainRecordReader } from '../lines/plain-record.ts';
import { BYTES } from '../model/bytes.ts';
import { isDefaultStream, type Stream } from '../model/stream.ts';
import { ABSENT_VALUE } from '../model/summary.ts';
import { KeyCounts } from './key-counts.ts';
import { type CounterOptions, createLineCounter, type FieldCounts, type LineCounter, NO_LIMITS } from './summarise.ts';

const { NEWLINE } = BYTES;

/** Makes a counter for some lines of a stream. */
export type CreateCounter = (options?: CounterOptions) => LineCounter;

/** The counters of a stream's records. */
export function createCounters(stream: Stream): CreateCounter {
  return isDefaultStream(stream.name) ? createLineCounter : createDimensionCounters(stream);
}

/**
 * Counters of stored records by the values of the fields of `countBy`. A line counts as JSON.parse reads it: an object whose timestamp and
 * required fields are strings; any other line is skipped and counted as skipped. A string counts as its text, any other value as the token that
 * was written, and a field that is not there as `-`. Plain lines are counted by their bytes (lines/plain-record.ts).
 */
export function createDimensionCounters(stream: Pick<Stream, 'required' | 'levelField' | 'countBy'>): CreateCounter {
  const { countBy } = stream;
  const layout = createLayout(stream);
  const readPlainRecord = createPlainRecordReader(layout, countBy);

  return function createDimensionCounter({ before, limits = NO_LIMITS } = {}) {
    const fields = createFields(countBy, { before, limits });
    let bytes = 0;
    let records = 0;
    let skippedLines = 0;

    function countParsed(line: string): void {
      const values = readValues(layout, countBy, line);
      if (values === undefined) {
        skippedLines += 1;
        return;
      }
      records += 1;
      fields.countTexts(values);
    }

    return {
      count(buffer, filled) {
        const end = filled === 0 ? 0 : buffer.lastIndexOf(NEWLINE, filled - 1) + 1;
        const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
        let at = 0;
        while (at < end) {
          const next = readPlainRecord(view, at, fields.record);
          if (next >= 0 && fields.countPlain()) {
            records += 1;
            at = next;
          } else {
            const newline = buffer.indexOf(NEWLINE, at);
            countParsed(buffer.toString('utf8', at, newline));
            at = newline + 1;
          }
        }
        bytes += end;
        return end;
      },

      skipLine(length) {
        bytes += length;
        skippedLines += 1;
      },

      finish: () => ({ bytes, records, skippedLines, ...fields.finish() }),
    };
  };
}

/** The counts of each dimension, and the plain record that is counted next. */
function createFields(countBy: readonly string[], { before, limits }: Required<CounterOptions>) {
  const counts = countBy.map((_, i) => new KeyCounts(before?.byField[i] ?? new Map(), limits, before?.others[i] ?? 0));
  const record = createPlainRecord(countBy);
  const { views, starts, ends, hashes } = record;
  const entries = new Int32Array(countBy.length);

  return {
    record,

    /** Counts the record. False where a value is not its bytes: then nothing is counted. */
    countPlain(): boolean {
      for (let i = 0; i < counts.length; i++) {
        const field = counts[i] as KeyCounts;
        const entry = field.find(views[i] as DataView, starts[i] as number, ends[i] as number, hashes[i] as number);
        if (entry === 0) return false;
        entries[i] = entry;
      }
      for (let i = 0; i < counts.length; i++) {
        const field = counts[i] as KeyCounts;
        const view = views[i] as DataView;
        field.count(entries[i] as number, view, starts[i] as number, ends[i] as number, hashes[i] as number);
      }
      return true;
    },

    countTexts(values: readonly string[]): void {
      for (const [i, value] of values.entries()) counts[i]?.countText(value);
    },

    finish: (): FieldCounts => ({
      byField: counts.map((each) => each.finish()),
      others: counts.map(({ other }) => other),
    }),
  };
}

/**
 * What the fields of `countBy` count as; undefined for a line that is not a record of the layout. JSON.parse says whether the line is JSON. The
 * names are read one by one, for V8 14.6 takes an escaped name in an object for another that it saw before (member-tokens.test.ts).
 */
function readValues({ required }: Layout, countBy: readonly string[], line: string): readonly string[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const tokens = memberTokens(line);
  if (![TIMESTAMP, ...required].every((name) => tokens.get(name)?.startsWith('"'))) return undefined;
  return countBy.map((name) => {
    const token = tokens.get(name) ?? ABSENT_VALUE;
    return token.startsWith('"') ? String(JSON.parse(token)) : token;
  });
}
