import type { Config } from '../config/config.ts';
import type { Decoders } from '../decode/decode.ts';
import { createDecoders } from '../decode/decoders.ts';
import type { Schemas } from '../model/schema.ts';
import { ACCESS_STREAM, EVENTS_STREAM, type Stream, type StreamName } from '../model/stream.ts';

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

/** The decoders of each stream, made when they are first asked for. Throws for a stream that there is not. */
export function createDecodersOf(config: Pick<Config, 'streams'>, schemas: Schemas): (stream: StreamName) => Decoders {
  const made = new Map<StreamName, Decoders>();
  return function decodersOf(name) {
    const known = made.get(name);
    if (known !== undefined) return known;
    const decoders = createDecoders(streamOf(config, name), schemas);
    made.set(name, decoders);
    return decoders;
  };
}
