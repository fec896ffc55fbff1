import { type DecodeOptions, type Decoder, MalformedBodyError, type TextOptions } from '../decode.ts';
import { JsonReader } from '../json-reader.ts';
import type { RecordFormat } from '../record-reader.ts';
import { decodeLines, type LineReader, type LinesParts } from './lines.ts';
import { TextReader } from './text-reader.ts';
import type { TextContext } from './text-record.ts';

/**
 * Text of several forms, a record a line; blank lines are skipped. The body need not be UTF-8: a byte that is none costs its own line at most.
 */
export function createTextDecoder(format: RecordFormat): Decoder {
  return (body, options) => decodeLines(format, body, options, openTextLines);
}

function openTextLines(parts: LinesParts): LineReader {
  const reader = openTextReader(parts);
  return {
    read: (start, end) => reader.read(parts.body, start, end),
    judge: (start, end) => reader.judge(start, end),
  };
}

/** Throws where the options do not say how text is read. */
export function openTextReader({ format, body, collector, options }: LinesParts): TextReader {
  const { text } = options;
  if (text === undefined) throw new MalformedBodyError('text without the options of how it is read');
  const json = new JsonReader({ format, body, collector, options });
  return new TextReader({ layout: format.layout, body, collector, options, text: withDefaults(text, options), json });
}

function withDefaults(text: TextOptions, { mapping }: DecodeOptions): TextOptions & TextContext {
  return mapping === undefined ? text : { ...text, defaults: mapping.defaults };
}
