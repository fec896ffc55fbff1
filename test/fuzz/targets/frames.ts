import { type Decoded, type DecodeOptions, MalformedBodyError } from '../../../src/decode/decode.ts';
import { createDecoders } from '../../../src/decode/decoders.ts';
import { runToEnd } from '../../../src/decode/pace.ts';
import { framesOf } from '../../../src/lines/block-form.ts';
import { FRAME_KINDS, HEADER_BYTES, writeHeader } from '../../../src/lines/frame-header.ts';
import { EVENTS_STREAM } from '../../../src/model/stream.ts';
import { datum } from '../../support/avro-bodies.ts';
import { DECODE_OPTIONS } from '../../support/decode-options.ts';
import { logEntry } from '../../support/protobuf-messages.ts';
import type { Random } from '../../support/random.ts';
import { type FuzzTarget, promise } from '../fuzz.ts';
import { mutateBytes, withoutPieces } from '../mutate.ts';
import { holdsLimits } from './decode.ts';

/*
 * Blocks of frames of all kinds, whose payloads are damaged. A block decodes to the lines and letters of its frames one by one; where a length
 * is damaged it is malformed, and nothing else is thrown.
 */

const OPTIONS: DecodeOptions = {
  ...DECODE_OPTIONS,
  invalid: 'skip',
  isBlock: true,
  text: { format: 'auto', zone: 'arrival', service: 'app', arrival: Date.UTC(2025, 6, 2, 17, 0, 5) },
};
const decode = createDecoders(EVENTS_STREAM).frames;
const MOST_FRAMES = 8;

export const framesTarget: FuzzTarget = {
  name: 'frames',
  runsPerSecond: 300,
  make: (random) => Buffer.concat(Array.from({ length: random.int(0, MOST_FRAMES) }, () => makeFrame(random))),
  mutate: (input, random) => mutateBytes(input, random),
  *simpler(input) {
    yield* withoutPieces(input);
  },
  check(input) {
    const whole = tryDecode(input);
    if (whole === undefined) return;
    holdsLimits(whole, OPTIONS);
    const single = [...framesOf('frames', input)].flatMap((frame) => tryDecode(Buffer.from(frame)) ?? []);
    promise(said([whole]) === said(single), () => `the block:  ${said([whole])}\nits frames: ${said(single)}`);
  },
};

/** undefined where the block is malformed. */
function tryDecode(block: Buffer): Decoded | undefined {
  try {
    return runToEnd(decode(Buffer.from(block), OPTIONS));
  } catch (error) {
    if (error instanceof MalformedBodyError) return undefined;
    throw error;
  }
}

function said(decoded: readonly Decoded[]): string {
  const lines = decoded.flatMap(({ batch }) => batch.map((chunk) => chunk.lines.toString())).flatMap(splitLines);
  const letters = decoded.flatMap(({ rejections }) => rejections.map(({ index: _, ...letter }) => letter));
  return JSON.stringify({ lines: lines.sort(), letters });
}

function splitLines(text: string): string[] {
  return text.split('\n').slice(0, -1);
}

function makeFrame(random: Random): Buffer {
  const event = {
    timestamp: random.pick(['2025-07-02T17:00:01Z', '2025-07-02T19:00:01.25+02:00', 'never']),
    level: random.pick(['INFO', 'warning', '3', 'LOUD']),
    message: random.pick(['hi', 'é "x"', '\0', 'x'.repeat(300)]),
    service: random.pick(['api', ' db ', '']),
  };
  const { timestamp, level, message, service } = event;
  const payload = Buffer.from(
    random.pick([
      JSON.stringify(event),
      logEntry(event),
      datum(event),
      `${timestamp} [${level}] [${service}] ${message}`,
      `<${random.int(0, 200)}>Jul  2 17:00:01 host a[1]: ${message}`,
      `<6>1 ${timestamp} host app - - [a b="c"] ${message}`,
      JSON.stringify({ __REALTIME_TIMESTAMP: '1751475601000000', MESSAGE: message, PRIORITY: '6' }),
      '',
    ]),
  );
  const damaged = random.int(0, 1) === 0 ? payload : mutateBytes(payload, random);
  const frame = Buffer.alloc(HEADER_BYTES + damaged.length);
  damaged.copy(frame, writeHeader(frame, 0, random.pick([...Object.values(FRAME_KINDS), 9]), damaged.length));
  return frame;
}
