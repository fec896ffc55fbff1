/**
 * A named kind of record: web access, application events, a team's own. Every record belongs to one stream, which says which text fields
 * it has and by which its records are counted. Each stream has files, and in version 2 a topic, of its own.
 */
export interface Stream {
  readonly name: StreamName;
  /** Names of the text fields that every record has beside the timestamp, in stored order. */
  readonly required: readonly string[];
  /** The required field whose text is a level (model/level.ts); undefined where there is none. */
  readonly levelField?: string;
  /** The required field that is stored as `-` where its text is blank; undefined where such a record is invalid. */
  readonly orDash?: string;
  /** Top-level fields by whose values the summaries count, required or not. At most MAX_COUNT_BY. */
  readonly countBy: readonly string[];
}

/** `[a-z][a-z0-9-]{0,62}`: it names folders and topics. Outside the process a stream is known by it. */
export type StreamName = string;

const STREAM_NAME = /^[a-z][a-z0-9-]{0,62}$/;
export const MAX_COUNT_BY = 4;

/** What a web server logs of a request. Its files lie directly in the folders; those of any other stream lie in one of its name. */
export const ACCESS_STREAM: Stream = {
  name: 'access',
  required: ['path', 'userAgent'],
  countBy: ['path', 'userAgent'],
};

/** What an application says of itself. */
export const EVENTS_STREAM: Stream = {
  name: 'events',
  required: ['level', 'message', 'service'],
  levelField: 'level',
  countBy: ['level', 'service'],
};

/** Whether a value can name a stream. */
export function isStreamName(value: unknown): value is StreamName {
  return typeof value === 'string' && STREAM_NAME.test(value);
}

/** Whether the files of the stream lie directly in the folders. */
export function isDefaultStream(name: StreamName): boolean {
  return name === ACCESS_STREAM.name;
}
