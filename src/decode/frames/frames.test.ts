import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { datum } from '../../../test/support/avro-bodies.ts';
import { mutate } from '../../../test/support/decode-arbitraries.ts';
import { DECODE_OPTIONS } from '../../../test/support/decode-options.ts';
import { createOneSubject } from '../../../test/support/one-subject.ts';
import { logEntry } from '../../../test/support/protobuf-messages.ts';
import { createRandom } from '../../../test/support/random.ts';
import { framesOf } from '../../lines/block-form.ts';
import { FRAME_KINDS, type FrameKind, HEADER_BYTES, writeHeader } from '../../lines/frame-header.ts';
import { BUILTIN_SCHEMAS } from '../../model/builtin-schemas.ts';
import type { Schemas } from '../../model/schema.ts';
import { EVENTS_STREAM } from '../../model/stream.ts';
import { type Decoded, type DecodeOptions, MalformedBodyError } from '../decode.ts';
import { createDecoders } from '../decoders.ts';
import { runToEnd } from '../pace.ts';
import { createUniversalFraming } from './universal-framing.ts';

const OPTIONS: DecodeOptions = {
  ...DECODE_OPTIONS,
  invalid: 'skip',
  isBlock: true,
  text: { format: 'auto', zone: 'arrival', service: 'app', arrival: Date.UTC(2025, 6, 2, 17, 0, 5) },
};
const LOG_ENTRY = JSON.parse(
  readFileSync(new URL('../../../config/schemas/log-entry.json', import.meta.url), 'utf8'),
) as object;
/** The built-in schemas, and LogEntry's JSON Schema in force. */
const CHECKED: Schemas = {
  ...BUILTIN_SCHEMAS,
  newest: (subject) =>
    subject === 'events'
      ? createOneSubject('events', LOG_ENTRY).schemas.newest(subject)
      : BUILTIN_SCHEMAS.newest(subject),
};
const checked = createDecoders(EVENTS_STREAM, CHECKED).frames;

const HI = '{"timestamp":"2025-07-02T17:00:01Z","level":"INFO","message":"hi","service":"api"}';
const EVENT = { timestamp: '2025-07-02T17:00:01Z', level: 'INFO', message: 'hi', service: 'api' };

function golden(name: string): Buffer {
  const text = readFileSync(new URL(`../../../testdata/frames/${name}.hex`, import.meta.url), 'utf8');
  return Buffer.from(text.trim(), 'hex');
}

const GOLDEN = ['json', 'proto', 'avro', 'raw'].map(golden);

function frame(kind: number | FrameKind, payload: string | Buffer): Buffer {
  const bytes = Buffer.from(payload);
  const framed = Buffer.alloc(HEADER_BYTES + bytes.length);
  bytes.copy(framed, writeHeader(framed, 0, typeof kind === 'number' ? kind : FRAME_KINDS[kind], bytes.length));
  return framed;
}

function decode(frames: readonly Buffer[], options: Partial<DecodeOptions> = {}, decoder = checked): Decoded {
  return runToEnd(decoder(Buffer.concat(frames), { ...OPTIONS, ...options }));
}

function linesOf({ batch }: Decoded): string[] {
  return batch.flatMap(({ lines }) => lines.toString().split('\n').slice(0, -1));
}

function reasonsOf({ rejections }: Decoded): string[] {
  return rejections.map(({ reason }) => reason);
}

describe('the golden frames', () => {
  test('are the same line', () => {
    const decoded = decode(GOLDEN);
    expect(linesOf(decoded)).toEqual([HI, HI, HI, HI]);
    expect(Object.fromEntries(decoded.kinds ?? [])).toEqual({
      json: { records: 1, sample: HI },
      proto: { records: 1, sample: HI },
      avro: { records: 1, sample: HI },
      raw: { records: 1, sample: HI },
    });
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 11, 64, 1_000])('come in pieces of %i bytes, mixed', (size) => {
    const bytes = Buffer.concat([...GOLDEN, ...GOLDEN.toReversed(), ...GOLDEN]);
    const framer = createUniversalFraming({ maxFrameBytes: 1_000 }).create(() => expect.unreachable());
    const blocks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      framer.push(Buffer.from(bytes.subarray(at, at + size)), (frames) => blocks.push(Buffer.from(frames)));
    }
    expect(linesOf(decode(blocks))).toEqual(Array(12).fill(HI));
  });
});

describe('a frame', () => {
  it('without a payload is an invalid record, and the next ones are read', () => {
    const decoded = decode([frame('json', ''), frame('text', '\r\n'), ...GOLDEN, frame('avro', '')]);
    expect(reasonsOf(decoded)).toEqual(Array(3).fill('an empty frame'));
    expect(decoded.accepted).toBe(4);
  });

  it('of an unknown format is an invalid record', () => {
    expect(decode([frame(9, 'what'), ...GOLDEN]).rejections).toEqual([
      {
        index: 0,
        field: '',
        reason: 'unknown format 9: expected 1 JSON, 2 Protobuf, 3 Avro, 4 text',
        raw: 'what',
      },
    ]);
  });

  it('of JSON may have white space around its record, and another order', () => {
    const { timestamp, level, message, service } = EVENT;
    const other = JSON.stringify({ service, message, level, timestamp });
    expect(linesOf(decode([frame('json', ` ${HI} \r\n`), frame('json', `\n${other}\n`)]))).toEqual([HI, HI]);
  });

  it('that cannot be decoded keeps its bytes and their content type', () => {
    const decoded = decode([frame('protobuf', 'no'), frame('avro', 'no'), frame('json', 'no'), frame('json', '\xff')]);
    expect(decoded.rejections).toMatchObject([
      { raw: 'base64:bm8=', contentType: 'application/x-protobuf' },
      { raw: 'base64:bm8=', contentType: 'avro/binary' },
      { raw: 'no', reason: 'not JSON: column 2: expected "null", found "o"' },
      { reason: 'not JSON: column 1: expected a value, found "ÿ"' },
    ]);
    expect(decoded.rejections[3]).not.toHaveProperty('contentType');
  });

  it('of a format without a schema says so', () => {
    const none = createDecoders(EVENTS_STREAM, createOneSubject('x').schemas).frames;
    expect(reasonsOf(decode([golden('proto'), golden('avro')], {}, none))).toEqual([
      'has no schema: register one as events-protobuf, or send its id with the message',
      'cannot be decoded: no schema describes the body: register one under the subject events-avro, or send an Avro file, which has its own',
    ]);
  });

  it('that the block cuts off makes it malformed', () => {
    for (const cut of [1, 4, 6, 20]) {
      expect(() => decode([golden('json').subarray(0, cut)])).toThrow(MalformedBodyError);
    }
  });
});

describe('with the schema of LogEntry, the reason', () => {
  const without = (name: string) => JSON.stringify({ ...EVENT, [name]: undefined });
  const withField = (field: Partial<typeof EVENT>) => ({ ...EVENT, ...field });

  test.each(Object.keys(EVENT))('of a record without %s', (name) => {
    const { [name]: _, ...rest } = EVENT as Record<string, string>;
    const frames = [frame('json', without(name)), frame('protobuf', logEntry({ ...blank, ...rest }))];
    expect(reasonsOf(decode(frames))).toEqual([`missing ${name}`, `missing ${name}`]);
  });
  const blank = { timestamp: '', level: '', message: '', service: '' };

  test.each([
    [{ timestamp: 'yesterday' }, /^invalid timestamp format/],
    [{ level: 'LOUD' }, /^invalid level: /],
    [{ message: 'x'.repeat(2_049) }, /^message too long/],
    [{ service: 'x'.repeat(129) }, /^service name too long/],
  ])('of a record with another field, in every format', (field, reason) => {
    const event = withField(field);
    const raw = `${event.timestamp} [${event.level}] [${event.service}] ${event.message}`;
    const decoded = decode([
      frame('json', JSON.stringify(event)),
      frame('protobuf', logEntry(event)),
      frame('avro', datum(event)),
      frame('text', raw),
      frame('text', JSON.stringify(event)),
    ]);
    expect(reasonsOf(decoded)).toEqual(Array(5).fill(expect.stringMatching(reason)));
    expect(new Set(reasonsOf(decoded)).size).toBe(1);
  });
});

const anyText = fc.oneof(
  fc.constantFrom(HI, '', ' ', '{}', 'x', '2025-07-02T17:00:01Z [INFO] [api] hi', '<6>Jul  2 17:00:01 host a[1]: b'),
  fc.string({ unit: 'binary', maxLength: 40 }),
);
const anyEvent = fc
  .record({
    timestamp: fc.constantFrom('2025-07-02T17:00:01Z', '2025-07-02T19:00:01.5+02:00', 'never', ''),
    level: fc.constantFrom('INFO', 'warning', '3', 'LOUD', ''),
    message: fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
    service: fc.constantFrom('api', ' db ', ''),
  })
  .chain((event) =>
    fc.constantFrom(
      frame('json', JSON.stringify(event)),
      frame('protobuf', logEntry(event)),
      frame('avro', datum(event)),
      frame('text', `${event.timestamp} [${event.level}] [${event.service}] ${event.message}`),
      frame('text', JSON.stringify(event)),
    ),
  );
const anyFrame = fc.oneof(
  fc.constantFrom(...GOLDEN),
  anyEvent,
  fc.tuple(fc.nat(5), anyText).map(([kind, payload]) => frame(kind, payload)),
);

/** What a decoder says of blocks, but for where the records stand in them. */
function said(blocks: readonly Decoded[]) {
  const letters = blocks.flatMap(({ rejections }) => rejections.map(({ index: _, ...letter }) => letter));
  const counts = new Map<string, number>();
  for (const { kinds } of blocks) {
    for (const [kind, { records }] of kinds ?? []) counts.set(kind, (counts.get(kind) ?? 0) + records);
  }
  return { lines: blocks.flatMap(linesOf).sort(), letters, counts };
}

describe('any block', () => {
  it('decodes to the same lines and letters as its frames one by one, sound or damaged', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 12 }), fc.nat(), (frames, seed) => {
        const random = createRandom(seed).next;
        const damaged = frames.map((each) => (seed % 2 === 0 ? each : damage(each, random)));
        const block = Buffer.concat(damaged);
        expect([...framesOf('frames', block)]).toEqual(damaged);
        expect(said([decode(damaged)])).toEqual(said(damaged.map((each) => decode([each]))));
      }),
      { numRuns: 800, seed: 14 },
    );
  });

  it('that is damaged anywhere throws nothing but that it is malformed', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 6 }), fc.nat(), (frames, seed) => {
        const bytes = mutate(Buffer.concat(frames), createRandom(seed).next);
        try {
          decode([bytes]);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedBodyError);
        }
      }),
      { numRuns: 800, seed: 15 },
    );
  });
});

/** The same frame with another payload. */
function damage(framed: Buffer, random: () => number): Buffer {
  return frame(framed[0] as number, mutate(Buffer.from(framed.subarray(HEADER_BYTES)), random));
}
