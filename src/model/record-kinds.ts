/** What a record came as, in the order of GET /stats. */
export const RECORD_KINDS = ['json', 'proto', 'avro', 'raw', 'syslog', 'journald'] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

/** One of the last stored lines of a kind. */
export interface SampleLine {
  /** Unix time in milliseconds. */
  readonly time: number;
  /** The stored line without its newline, or its beginning. */
  readonly line: string;
}

/** The last lines of each kind, newest first. */
export type KindSamples = Readonly<Record<RecordKind, readonly SampleLine[]>>;

/** Lines that are kept of a kind. */
export const SAMPLES_OF_KIND = 3;

/** A value for each kind. */
export function mapKinds<T>(read: (kind: RecordKind) => T): Readonly<Record<RecordKind, T>> {
  return {
    json: read('json'),
    proto: read('proto'),
    avro: read('avro'),
    raw: read('raw'),
    syslog: read('syslog'),
    journald: read('journald'),
  };
}

/** The newest of what several threads kept. */
export function mergeSamples(all: readonly KindSamples[]): KindSamples {
  return mapKinds((kind) =>
    all
      .flatMap((samples) => samples[kind])
      .sort((a, b) => b.time - a.time)
      .slice(0, SAMPLES_OF_KIND),
  );
}
