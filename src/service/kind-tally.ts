import { type BodyFormat, type Decoded, SAMPLE_BYTES } from '../decode/decode.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Batch } from '../model/chunk.ts';
import {
  type KindSamples,
  mapKinds,
  type RecordKind,
  SAMPLES_OF_KIND,
  type SampleLine,
} from '../model/record-kinds.ts';
import type { IngestRequest } from './service.ts';

/** Counts what was accepted by what it came as, and keeps the last stored lines of each kind. Once a batch, never once a record. */
export interface KindTally {
  /**
   * Looks at a batch before it is delivered, because its memory may be gone afterwards. The result counts it, and is called once it is
   * delivered: with the seconds since the last byte of the batch was read.
   */
  examine(format: IngestRequest['format'], decoded: Decoded): (seconds: number) => void;
  samples(): KindSamples;
}

/** Another line of a kind is kept at most so often, milliseconds. */
const SAMPLE_PAUSE_MS = 100;

/** Kinds of the formats that have only one. */
const KIND_OF_FORMAT: Readonly<Partial<Record<string, RecordKind>>> = {
  json: 'json',
  ndjson: 'json',
  csv: 'json',
  avro: 'avro',
  protobuf: 'proto',
  'protobuf-delimited': 'proto',
} satisfies Partial<Record<BodyFormat, RecordKind>>;

/** `clock`: Unix milliseconds. */
export function createKindTally({
  metrics,
  clock,
}: {
  readonly metrics: Pick<Metrics, 'kindRecords' | 'recordLatency'>;
  readonly clock: () => number;
}): KindTally {
  const counters = mapKinds((kind) => metrics.kindRecords.labels(kind));
  const kept: Record<RecordKind, readonly SampleLine[]> = { ...mapKinds(() => []) };

  /** Also after the clock was set back. */
  function wantsSample(kind: RecordKind, now: number): boolean {
    const [newest] = kept[kind];
    return newest === undefined || Math.abs(now - newest.time) >= SAMPLE_PAUSE_MS;
  }

  function add(kind: RecordKind, records: number, line: string | undefined, now: number): void {
    counters[kind].inc(records);
    // Another batch may have been counted meanwhile.
    if (line !== undefined && wantsSample(kind, now))
      kept[kind] = [{ time: now, line }, ...kept[kind]].slice(0, SAMPLES_OF_KIND);
  }

  function addLatency(seconds: number, records: number): void {
    metrics.recordLatency.inc(Math.max(0, seconds) * records);
  }

  return {
    examine(format, { accepted, batch, kinds }) {
      if (accepted === 0) return countNothing;
      const now = clock();
      if (kinds !== undefined) {
        return function countKinds(seconds) {
          for (const [kind, { records, sample }] of kinds)
            add(kind, records, wantsSample(kind, now) ? sample.trimEnd() : undefined, now);
          addLatency(seconds, accepted);
        };
      }
      const kind = KIND_OF_FORMAT[format] ?? 'raw';
      const line = wantsSample(kind, now) ? lastLine(batch) : undefined;
      return function countOne(seconds) {
        add(kind, accepted, line, now);
        addLatency(seconds, accepted);
      };
    },
    samples: () => mapKinds((kind) => kept[kind]),
  };
}

function countNothing(): void {}

/** The last line of a batch, at most SAMPLE_BYTES of it, cut between characters. */
function lastLine(batch: Batch): string {
  const lines = batch.at(-1)?.lines;
  if (lines === undefined || lines.length === 0) return '';
  const end = lines.length - 1;
  const start = end === 0 ? 0 : lines.lastIndexOf('\n', end - 1) + 1;
  let cut = Math.min(end, start + SAMPLE_BYTES);
  // Not within a character: its later bytes are 10xxxxxx.
  while (cut > start && cut < end && ((lines[cut] ?? 0) & 0xc0) === 0x80) cut--;
  return lines.toString('utf8', start, cut);
}
