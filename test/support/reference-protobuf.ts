import { type Decoder, MalformedBodyError } from '../../src/decode/decode.ts';
import { rawOf } from '../../src/decode/decoded-record.ts';
import { readMessage } from '../../src/decode/protobuf/message-record.ts';
import { compileSchema } from '../../src/decode/protobuf/message-types.ts';
import { createLayout } from '../../src/lines/layout.ts';
import type { Schemas } from '../../src/model/schema.ts';
import type { Stream } from '../../src/model/stream.ts';
import { collect } from './reference-decoders.ts';

/** Decodes delimited messages of the newest schema, without schema ids, by the reference reader alone. */
export function createReferenceDelimited(stream: Stream, schemas: Schemas): Decoder {
  const layout = createLayout(stream);
  const newest = schemas.newest(`${stream.name}-protobuf`);
  const desc = newest && compileSchema(newest.schema, schemas).messages[0];
  if (desc === undefined) throw new Error(`no schema for ${stream.name}`);
  return function* decode(body, options) {
    const collector = collect(body, options, {
      stream: stream.name,
      noun: 'record',
    });
    for (let at = 0; at < body.length; ) {
      let length = 0;
      for (let shift = 1, byte = 128; byte >= 128; shift *= 128) {
        byte = body[at++] ?? 0;
        length += (byte % 128) * shift;
      }
      const [start, end] = [at, at + length];
      if (end > body.length) throw new MalformedBodyError('the last message is cut off');
      const { result, fields } = yield* readMessage(layout, desc, body, { start, end }, options);
      const raw = () => (fields ? rawOf(fields) : `base64:${body.toString('base64', start, end)}`);
      collector.add(result, raw, 'application/x-protobuf');
      at = end;
    }
    return yield* collector.finish();
  };
}
