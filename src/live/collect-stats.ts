import type { Clock } from '../model/clock.ts';
import { mapKinds, type RecordKind } from '../model/record-kinds.ts';
import type { CollectStats } from './live.ts';
import { SourceTable, toSourceFigures } from './source-table.ts';

/** What became of a part of a file that was collected. */
export interface Collected {
  /** The path. */
  readonly source: string;
  readonly kind: RecordKind;
  /** Of the part as it stands in its file. */
  readonly bytes: number;
  /** Records that are stored now. */
  readonly records: number;
  readonly refused: number;
  /** Of all records of the part, by level and by tag. */
  readonly levels: ReadonlyMap<string, number>;
  readonly tags: ReadonlyMap<string, number>;
  readonly errors: CollectStats['last_errors'];
  readonly filtered: number;
  /** Milliseconds from its reading to its storing. */
  readonly latencyMs: number;
  /** Stored lines with their newlines. */
  readonly lines: Buffer;
}

/** What a collector knows beside what it counts. */
export interface CollectGauges {
  readonly files: number;
  readonly lagBytes: number;
  /** Records that are read and not stored. */
  readonly inFlight: number;
  readonly about: string;
}

/** Names that are distinguished among levels and among tags: both come from the lines. */
const MAX_NAMES = 200;
const OTHER = 'other';
const MAX_ERRORS = 20;
const MAX_SAMPLES = 10;
/** Of a sample: what is longer is cut. */
const MAX_SAMPLE_BYTES = 4 * 1024;
/** Rates are those of the last whole second. */
const SECOND_MS = 1_000;
/** Weight of the newest part in the mean of latencies. */
const NEWEST = 0.1;

/** Counts what is collected, since the start. */
export class CollectCounts {
  readonly #clock: Clock;
  readonly #started: number;
  readonly #sources: SourceTable;
  readonly #levels = new Map<string, number>();
  readonly #tags = new Map<string, number>();
  readonly #kinds = { ...mapKinds(() => 0) } as Record<RecordKind, number>;
  /** Newest first. */
  readonly #samples = mapKinds((): string[] => []);
  readonly #errors: CollectStats['last_errors'][number][] = [];
  readonly #second = { number: 0, records: 0, bytes: 0, lastRecords: 0, lastBytes: 0 };
  #latencyMs = 0;
  #total = 0;
  #parsingErrors = 0;
  #filtered = 0;
  #refused = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#started = clock();
    this.#sources = new SourceTable({ clock });
  }

  add(part: Collected): void {
    const { source, kind, records, bytes, errors, lines } = part;
    this.#turn();
    this.#total += records;
    this.#refused += part.refused;
    this.#filtered += part.filtered;
    this.#parsingErrors += errors.length;
    this.#kinds[kind] += records;
    this.#second.records += records;
    this.#second.bytes += lines.length;
    if (records > 0) this.#latencyMs += (part.latencyMs - this.#latencyMs) * (this.#latencyMs === 0 ? 1 : NEWEST);
    addAll(this.#levels, part.levels);
    addAll(this.#tags, part.tags);
    this.#sources.note(source, records, bytes);
    this.#errors.unshift(...errors.slice(-MAX_ERRORS).reverse());
    this.#errors.length = Math.min(this.#errors.length, MAX_ERRORS);
    const samples = this.#samples[kind];
    samples.unshift(...lastLines(lines));
    samples.length = Math.min(samples.length, MAX_SAMPLES);
  }

  read({ files, lagBytes, inFlight, about }: CollectGauges): CollectStats {
    this.#turn();
    return {
      logs_per_sec: this.#second.lastRecords,
      mb_per_sec: hundredths(this.#second.lastBytes / 1e6),
      latency_us: hundredths(this.#latencyMs * 1_000),
      queue_length: inFlight,
      file_rotations: 0,
      dropped: 0,
      ...this.#kinds,
      samples: this.#samples,
      levels: Object.fromEntries(this.#levels),
      tags: Object.fromEntries(this.#tags),
      ...this.totals(),
      files,
      lag_bytes: lagBytes,
      uptime_seconds: Math.floor((this.#clock() - this.#started) / SECOND_MS),
      sources: toSourceFigures([this.#sources.read()]),
      last_errors: this.#errors,
      about,
    };
  }

  totals(): Pick<CollectStats, 'total' | 'parsing_errors' | 'filtered' | 'refused'> {
    return {
      total: this.#total,
      parsing_errors: this.#parsingErrors,
      filtered: this.#filtered,
      refused: this.#refused,
    };
  }

  #turn(): void {
    const second = this.#second;
    const number = Math.floor(this.#clock() / SECOND_MS);
    if (number === second.number) return;
    const isNext = number === second.number + 1;
    second.lastRecords = isNext ? second.records : 0;
    second.lastBytes = isNext ? second.bytes : 0;
    second.records = 0;
    second.bytes = 0;
    second.number = number;
  }
}

function addAll(sums: Map<string, number>, counts: ReadonlyMap<string, number>): void {
  for (const [name, count] of counts) {
    const known = sums.has(name) || sums.size < MAX_NAMES ? name : OTHER;
    sums.set(known, (sums.get(known) ?? 0) + count);
  }
}

/** Newest first. */
function lastLines(lines: Buffer): readonly string[] {
  const last: string[] = [];
  for (let end = lines.length; end > 0 && last.length < MAX_SAMPLES; ) {
    const start = end < 2 ? 0 : lines.lastIndexOf('\n', end - 2) + 1;
    last.push(lines.toString('utf8', start, Math.min(end, start + MAX_SAMPLE_BYTES)).trimEnd());
    end = start;
  }
  return last;
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}
