import type { BodyFormat, DecodeOptions, InputFormat, Mapping, TextOptions } from '../decode/decode.ts';
import type { BlockForm } from '../lines/block-form.ts';
import type { InputConfig } from './input-config.ts';

/** How the blocks of an input are decoded. */
export interface InputDecoding {
  readonly format: BodyFormat | InputFormat;
  readonly options: Pick<DecodeOptions, 'text' | 'mapping' | 'isBlock'>;
}

/** The service of text of no known form that came on the port of all formats. */
const UNIVERSAL_SERVICE = 'raw';

type Shape = Pick<InputConfig, 'name' | 'type' | 'format' | 'framing' | 'zone' | 'timestamps' | 'defaults' | 'rename'>;

/** By the form of its blocks and its keys. JSON in lines is read as a body of HTTP is, as fast. */
export function inputDecoding(input: Shape, form: BlockForm): InputDecoding {
  const { name, zone, format, framing } = input;
  // The time of arrival is that of each block.
  const text = {
    format: textFormatOf(input),
    zone,
    service: framing === 'universal' ? UNIVERSAL_SERVICE : name,
    arrival: 0,
  };
  const mapping = mappingOf(input);
  const options = { isBlock: true, text, ...(mapping !== undefined && { mapping }) };
  if (form === 'frames') return { format: 'frames', options };
  return { format: format === 'json' ? 'ndjson' : 'text', options };
}

/** What a text is taken for. The frames of `universal` framing say that they are text, and not which. */
function textFormatOf({ type, framing, format }: Shape): TextOptions['format'] {
  if (type === 'syslog' || framing === 'universal') return format === 'raw' || format === 'syslog' ? format : 'auto';
  return format === 'json' || format === 'protobuf' || format === 'avro' ? 'auto' : format;
}

/** undefined where it would change nothing. */
function mappingOf({ rename, defaults, timestamps }: Shape): Mapping | undefined {
  const renames = new Map(Object.entries(rename));
  const texts = new Map(Object.entries(defaults));
  if (renames.size === 0 && texts.size === 0 && timestamps === 'rfc3339') return undefined;
  return { rename: renames, defaults: texts, timestamps };
}
