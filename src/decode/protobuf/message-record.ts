import { type DescMessage, fromBinary } from '@bufbuild/protobuf';
import type { Layout } from '../../lines/layout.ts';
import type { DecodeOptions } from '../decode.ts';
import { type DecodedFields, encodeFields } from '../decoded-record.ts';
import { exceeds, type RecordFault, type StoredRecord } from '../record.ts';
import { checkMessage, LimitError } from './check-message.ts';
import { fieldsOfMessage, type JsonOptions } from './message-json.ts';
import { PartError } from './part-error.ts';

/** A message may be this many times as long as a stored line: unknown fields, and values that later ones replace, are not stored. */
const MAX_LINES = 4;
/** An element of a list or a map takes at least this many bytes of a line. */
const MIN_ELEMENT_BYTES = 2;
/** A level of JSON is at most three messages: a google.protobuf.Value, its Struct, the entry of that. */
const MESSAGES_PER_LEVEL = 3;
/** The library and the writer recurse. */
const MAX_MESSAGE_DEPTH = 1_000;

/** What the reference makes of a message, and its fields as far as it could be decoded. */
export interface MessageRecord {
  readonly result: StoredRecord | RecordFault;
  readonly fields: DecodedFields | undefined;
}

/** Whether a message is too long to be decoded. */
export function isTooLong(bytes: number, { maxRecordBytes }: DecodeOptions): boolean {
  return bytes > maxRecordBytes * MAX_LINES;
}

/**
 * The reference reader: turns the message at [start, end) into a stored line, or into the reason why it is invalid. checkMessage checks
 * its bytes, the library decodes it, encodeFields judges the record. Of several faults the first counts.
 */
export function* readMessage(
  layout: Layout,
  desc: DescMessage,
  bytes: Buffer,
  { start, end }: { readonly start: number; readonly end: number },
  options: DecodeOptions,
): Generator<undefined, MessageRecord, undefined> {
  const { maxDepth, maxRecordBytes } = options;
  if (isTooLong(end - start, options)) return { result: exceeds(maxRecordBytes), fields: undefined };
  const depth = Math.min(maxDepth * MESSAGES_PER_LEVEL, MAX_MESSAGE_DEPTH);
  try {
    const maxElements = Math.ceil(maxRecordBytes / MIN_ELEMENT_BYTES);
    yield* checkMessage(desc, bytes, { start, end }, { maxDepth: depth, maxElements });
    const limits = { readUnknownFields: false, recursionLimit: depth };
    const fields = decodeFields(desc, bytes.subarray(start, end), { ...limits, start, maxDepth });
    return { result: encodeFields(layout, fields, options), fields };
  } catch (error) {
    return { result: faultOf(error, desc, options), fields: undefined };
  }
}

interface LibraryOptions extends JsonOptions {
  readonly readUnknownFields: boolean;
  readonly recursionLimit: number;
}

/** What else the library refuses is the message's fault: a google.protobuf.Value that has no JSON form. */
function decodeFields(desc: DescMessage, message: Uint8Array, options: LibraryOptions): DecodedFields {
  try {
    return fieldsOfMessage(desc, fromBinary(desc, message, options), options);
  } catch (error) {
    if (error instanceof LimitError || error instanceof PartError) throw error;
    throw new PartError(options.start, error instanceof Error ? error.message : String(error));
  }
}

function faultOf(error: unknown, { typeName }: DescMessage, { maxDepth, maxRecordBytes }: DecodeOptions): RecordFault {
  if (error instanceof PartError) {
    return { field: '', problem: `is not a ${typeName}: byte ${error.offset}: ${error.message}` };
  }
  if (!(error instanceof LimitError)) throw error;
  if (error.limit === 'maxElements') return exceeds(maxRecordBytes);
  return { field: '', problem: `is nested deeper than ${maxDepth} (ingestion.maxDepth)` };
}
