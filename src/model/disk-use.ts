import type { StreamName } from './stream.ts';

/** The forms of an hour on disk: `HH.log.json` and `HH.log.json.zst`. */
export const HOUR_FORMS = ['plain', 'zstd'] as const;
export type HourForm = (typeof HOUR_FORMS)[number];

/** Lengths of files, in bytes, by the form of the hours. */
export type FormBytes = Readonly<Record<HourForm, number>>;

/** What else takes room. `removed_streams`: hours of streams that are not configured any more. */
export const OTHER_USES = ['summaries', 'journal', 'keys', 'dead_letters', 'removed_streams'] as const;
export type OtherUse = (typeof OTHER_USES)[number];

/** What the service has on disk, as a walk over its folders found it. */
export interface DiskUse {
  /** Every configured stream. `days`: days that have an hour. */
  readonly streams: readonly (FormBytes & { readonly name: StreamName; readonly days: number })[];
  /** The days of one stream that have an hour, newest first; the oldest may be left out. */
  readonly days: readonly (FormBytes & { readonly day: string })[];
  /** Bytes. */
  readonly other: Readonly<Record<OtherUse, number>>;
  /** End of the last whole walk, Unix ms; undefined before it. */
  readonly walkedAt: number | undefined;
}

/** Gives the figures of all streams, with the days of one. Reads no disk. */
export type ReadDiskUse = (stream: StreamName) => Promise<DiskUse>;
