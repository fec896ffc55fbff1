import { ACCESS_STREAM, isDefaultStream } from '../../model/stream.ts';
import type { DecodeOptions } from '../decode.ts';
import { openAccessLines, readElements } from './access-reading.ts';
import { checkHead } from './check-head.ts';
import { isMappedCsv, openCsv } from './csv-reading.ts';
import { isBlank, withoutMark } from './cut-block.ts';
import { decodeAsLines, decodersOf, FILE_DECODING } from './decode-frames.ts';
import { type FileFormat, type FileReading, UnreadableFileError } from './file-reading.ts';
import { openFrames } from './frame-reading.ts';
import { lineFormats } from './line-formats.ts';
import { LineReading, unwrapLine } from './line-reading.ts';
import { MappedFrames } from './mapped-frames.ts';
import type { ReadingOptions } from './reading-options.ts';
import { recognise } from './recognise.ts';

/**
 * How a file is read. `head`: its first bytes after unpacking, up to HEAD_BYTES of them and whole lines where there is one. `state`: of the
 * reading that read what stands before the first block; empty at the start of the file.
 *
 * Throws UnreadableFileError where the file as a whole cannot be read: it is no text of UTF-8, it is not what it is said to be, or its header
 * has not what the stream needs.
 */
export function openReading(head: Buffer, options: ReadingOptions, state = ''): FileReading {
  const text = withoutMark(head, 1);
  if (state === '') checkHead(head);
  const format = options.format ?? options.recognised ?? recogniseFor(text, options);
  if (options.map !== undefined && !MAPPED.includes(format)) {
    throw new UnreadableFileError(
      `the file is read as ${format}, which has fields of its own; a map is for JSON lines, a JSON array, and CSV with a header`,
    );
  }
  if (format === 'csv') return openCsv(text, options, state);
  if (state === '') checkJson(format, text);
  if (isDefaultStream(options.stream.name)) return openAccess(format, options, state);
  if (format === 'ndjson' || format === 'json' || format === 'text') return openDecoded(format, options, state);
  return openAccess(format, options, state);
}

function recogniseFor(head: Buffer, { name, stream, map }: ReadingOptions): FileFormat {
  const as = (unwrap: (line: Buffer) => Buffer) => recognise(head, { name, stream, formats: lineFormats(map), unwrap });
  const format = as(unwrapLine);
  if (map === undefined || MAPPED.includes(format)) return format;
  if (isMappedCsv(head, map, stream)) return 'csv';
  // A map may be of the JSON that a program has wrapped a line in. An empty file is of any format.
  const outer = isBlank(head) ? 'ndjson' : as((line) => line);
  return MAPPED.includes(outer) ? outer : format;
}

/** The formats whose fields a map can name. */
const MAPPED: readonly FileFormat[] = ['ndjson', 'json', 'csv'];

function checkJson(format: FileFormat, head: Buffer): void {
  const text = head.toString('utf8', 0, SHOWN_OF_JSON).trimStart();
  if (format === 'json' && text !== '' && !text.startsWith('[')) {
    const beginning = JSON.stringify(text.slice(0, SHOWN_CHARACTERS));
    throw new UnreadableFileError(`not a JSON array: it begins with ${beginning}, expected "["`);
  }
  if (format === 'ndjson' && /^\{\s*\n/.test(text)) {
    throw new UnreadableFileError(
      'a JSON object over several lines; expected one object a line, or one array: jq -c . FILE',
    );
  }
}

const SHOWN_OF_JSON = 256;
const SHOWN_CHARACTERS = 20;

function openAccess(format: FileFormat, options: ReadingOptions, state: string): FileReading {
  const { stream, zone, fields, map } = options;
  const formats = lineFormats(map);
  const ofLines = formats.find(({ name }) => name === (format === 'json' ? 'ndjson' : format));
  const missing =
    ofLines === undefined ? ACCESS_STREAM.required : stream.required.filter((field) => !HAS.includes(field));
  if (ofLines === undefined || missing.length > 0) {
    throw new UnreadableFileError(
      `the format ${format} has no ${missing.join(', ')}, which records of ${stream.name} need`,
    );
  }
  const isArray = format === 'json';
  const others = options.format === undefined || isArray ? formats : [];
  const reading = { format: ofLines, others, zone, fields, hasMap: map !== undefined };
  if (!isArray) return openAccessLines(format, new LineReading(reading, state), fields);
  const lines = new LineReading(reading, state.slice(1));
  return openFrames(
    format,
    state,
    (elements) => readElements(elements, lines, fields),
    () => lines.state,
  );
}

/** What each line of an access log has. */
const HAS: readonly string[] = ACCESS_STREAM.required;

/** The formats that the decoders of request bodies and inputs read, of any stream. */
function openDecoded(format: 'ndjson' | 'json' | 'text', options: ReadingOptions, state: string): FileReading {
  const decoders = decodersOf(options.stream);
  const decode = format === 'text' ? decoders.text : decoders.ndjson;
  const { zone, fields, map, service = 'raw', arrival, needsTime = false } = options;
  const decoding: DecodeOptions = {
    ...FILE_DECODING,
    extraFields: fields === 'all' ? 'keep' : 'drop',
    text: { format: 'auto', zone, service, arrival: 0, needsTime },
  };
  const mapped = map === undefined ? undefined : new MappedFrames(map, options, decoding);
  return openFrames(format, state, (frames) => {
    if (mapped !== undefined) return mapped.decode(frames);
    const { text } = decoding;
    return decodeAsLines(
      decode,
      frames,
      text === undefined ? decoding : { ...decoding, text: { ...text, arrival: arrival() } },
    );
  });
}
