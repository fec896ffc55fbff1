import type { Config } from '../config/config.ts';
import type { DecodeOptions, Decoders } from '../decode/decode.ts';
import { createDecoders } from '../decode/decoders.ts';
import type { StreamInfo } from '../http/http.ts';
import type { StreamTotals } from '../metrics/metrics.ts';
import { type FieldMap, fieldMapOf } from '../model/field-map.ts';
import type { Schemas } from '../model/schema.ts';
import { ACCESS_STREAM, EVENTS_STREAM, isDefaultStream, type Stream, type StreamName } from '../model/stream.ts';

/** The streams that there are: the built-in ones and those of the configuration, by name. */
export function streamsOf({ streams }: Pick<Config, 'streams'>): ReadonlyMap<StreamName, Stream> {
  const all = [ACCESS_STREAM, EVENTS_STREAM, ...streams];
  return new Map(all.map((stream) => [stream.name, stream]));
}

/** The stream of that name. Throws for one that there is not. */
export function streamOf(config: Pick<Config, 'streams'>, name: StreamName): Stream {
  const stream = streamsOf(config).get(name);
  if (stream === undefined) throw new Error(`there is no stream ${JSON.stringify(name)}`);
  return stream;
}

/** The mappings of the configuration, by name. */
export function mapsOf({ mappings }: Pick<Config, 'mappings'>): ReadonlyMap<string, FieldMap> {
  return new Map(mappings.map(({ name, fields }) => [name, fieldMapOf(fields)]));
}

/** What GET /streams lists. */
export function createStreamList(options: {
  readonly config: Pick<Config, 'streams'>;
  readonly schemas: Schemas;
  readonly totals: () => Promise<ReadonlyMap<StreamName, StreamTotals>>;
}): () => Promise<readonly StreamInfo[]> {
  const { config, schemas, totals } = options;
  const streams = [...streamsOf(config).values()];
  return async () => {
    const counted = await totals();
    return streams.map((stream) => describeStream(stream, schemas, counted.get(stream.name)));
  };
}

function describeStream(stream: Stream, schemas: Schemas, totals: StreamTotals | undefined): StreamInfo {
  const { name, required, levelField = null, countBy } = stream;
  const subjects = [name, `${name}-protobuf`, `${name}-avro`].flatMap((subject) => schemas.newest(subject) ?? []);
  const { stored = 0, rejected = 0, dead_lettered: deadLettered = 0, duplicate = 0 } = totals?.records ?? {};
  return {
    name,
    fields: ['timestamp', ...required],
    levelField,
    countBy,
    schemas: subjects.map(({ subject, version, schema: { id, type } }) => ({ subject, type, version, id })),
    records: { stored, rejected, deadLettered, duplicate },
    bytes: totals?.bytes ?? 0,
  };
}

/** What a decoder holds every batch to. */
export function decodeLimits({
  ingestion: { maxRecordBytes, maxDepth, maxBatchBytes, maxHoursPerBatch, extraFields, minTimestamp },
}: Pick<Config, 'ingestion'>): Omit<DecodeOptions, 'invalid'> {
  const limits = { maxRecordBytes, maxDepth, maxBatchBytes, maxHours: maxHoursPerBatch, extraFields };
  return minTimestamp === 'off' ? limits : { ...limits, earliest: minTimestamp };
}

/** How far in the future a timestamp may be, milliseconds; undefined: as far as it likes. */
export function maxFutureOf({ ingestion: { maxFuture } }: Pick<Config, 'ingestion'>): number | undefined {
  return maxFuture === 'off' ? undefined : maxFuture;
}

/** The decoders of each stream, made when they are first asked for. Throws for a stream that there is not. */
export function createDecodersOf(
  config: Pick<Config, 'streams' | 'ingestion'>,
  schemas: Schemas,
): (stream: StreamName) => Decoders {
  const made = new Map<StreamName, Decoders>();
  return function decodersOf(name) {
    const known = made.get(name);
    if (known !== undefined) return known;
    const stream = streamOf(config, name);
    const isDashed = isDefaultStream(name) && config.ingestion.emptyUserAgent === 'dash';
    const decoders = createDecoders(isDashed ? { ...stream, orDash: 'userAgent' } : stream, schemas);
    made.set(name, decoders);
    return decoders;
  };
}

/** How new hours of each stream are stored. */
export function compressionBy({ storage }: Pick<Config, 'storage'>): (stream: StreamName) => 'none' | 'zstd' {
  const own = new Map(storage.streams.map(({ name, compression }) => [name, compression]));
  return function compressionOf(stream) {
    const of = own.get(stream) ?? 'inherit';
    return of === 'inherit' ? storage.compression : of;
  };
}

/** The streams whose plain hours are compressed, and after how many milliseconds at rest. */
export function compressAfterBy(config: Pick<Config, 'storage' | 'streams'>): ReadonlyMap<StreamName, number> {
  const { compressAfter, streams } = config.storage;
  const own = new Map(streams.map((stream) => [stream.name, stream.compressAfter]));
  return new Map(
    Array.from(streamsOf(config).keys()).flatMap((name): [StreamName, number][] => {
      const of = own.get(name) ?? 'inherit';
      const ms = of === 'inherit' ? compressAfter : of;
      return ms === 'off' ? [] : [[name, ms]];
    }),
  );
}
