import { describe, expect, it } from 'vitest';
import { createCountedFraming } from '../../decode/frames/counted-framing.ts';
import { createNewlineFraming } from '../../decode/frames/newline-framing.ts';
import { createUniversalFraming } from '../../decode/frames/universal-framing.ts';
import { framesOf, payloadOf } from '../../lines/block-form.ts';
import { FRAME_KINDS } from '../../lines/frame-header.ts';
import { createEncoding } from '../encode/encodings.ts';
import { FORMATS, type Format, STREAM_FRAMINGS } from '../generate.ts';
import { createRecords } from '../records/records.ts';
import { createBatches, createReusedBatches } from './batches.ts';
import { createFraming } from './framing.ts';
import { piecesOf } from './pieces.ts';

const AT = Date.parse('2025-07-02T17:00:01.250Z');
const KEEP = 100;
const MAX = 1024 * 1024;

function parts(format: Format, framing: (typeof STREAM_FRAMINGS)[number]) {
  const kind = format === 'combined' ? 'access' : 'events';
  const next = () => createRecords({ kind, seed: 3, producer: 0, fields: {} });
  const encoding = createEncoding({ format, rfc: '5424', example: next()(AT).fields });
  return { next: next(), again: next(), encoding, around: createFraming(framing, encoding) };
}

const READERS = {
  newline: createNewlineFraming({ maxFrameBytes: MAX }),
  'octet-counted': createCountedFraming({ maxFrameBytes: MAX, kind: FRAME_KINDS.text, orLines: false }),
  universal: createUniversalFraming({ maxFrameBytes: MAX }),
};

describe.each(STREAM_FRAMINGS)('%s framing', (framing) => {
  it.each(['json', 'proto', 'avro', 'syslog'] as const)('of %s is read back by our own framing', (format) => {
    if (framing === 'newline' && (format === 'proto' || format === 'avro')) return;
    const options = parts(format, framing);
    const batch = createBatches(options)(20, AT);
    const { form, create } = READERS[framing];
    const payloads: string[] = [];
    const framer = create(() => expect.unreachable());
    const emit = (block: Buffer) => {
      for (const frame of framesOf(form, block)) payloads.push(payloadOf(form, frame).toString('latin1').trimEnd());
    };
    for (let at = 0; at < batch.bytes.length; at += 7) framer.push(Buffer.from(batch.bytes.subarray(at, at + 7)), emit);
    framer.end(emit);
    const expected = Array.from({ length: 20 }, () => options.encoding.encode(options.again(AT)).toString('latin1'));
    expect(payloads).toEqual(expected.map((text) => text.trimEnd()));
    expect([...batch.ends].at(-1)).toBe(batch.bytes.length);
  });
});

describe('batches that are used again', () => {
  it.each(FORMATS)('of %s differ from new ones in nothing but their records', (format) => {
    const framing = format === 'proto' || format === 'avro' ? 'universal' : 'newline';
    const options = parts(format, framing);
    const make = createReusedBatches({ ...options, keep: KEEP });
    const first = Buffer.from(make(KEEP, AT).bytes);
    const later = AT + 3 * 86_400_000 + 12_345;
    const again = make(KEEP, later);
    expect(again.bytes).toEqual(createBatches({ ...options, next: options.again })(KEEP, later).bytes);
    expect(again.bytes).not.toEqual(first);
    expect(make(KEEP, later)).toBe(again);
  });

  it('are new ones where another number of records is asked for', () => {
    const make = createReusedBatches({ ...parts('json', 'newline'), keep: KEEP });
    make(KEEP, AT);
    expect(make(7, AT)).toMatchObject({ records: 7 });
    expect(make(KEEP, AT).records).toBe(KEEP);
  });

  it('are new ones where the time is a field of the user', () => {
    const next = createRecords({ kind: 'entry', seed: 1, producer: 0, fields: { timestamp: '2020-01-01T00:00:00Z' } });
    const encoding = createEncoding({ format: 'json', rfc: '5424', example: next(AT).fields });
    const make = createReusedBatches({ keep: KEEP, next, encoding, around: createFraming('newline', encoding) });
    expect(make(KEEP, AT).bytes).not.toEqual(make(KEEP, AT).bytes);
  });
});

describe('pieces', () => {
  const bytes = Buffer.from('aa\nbbbb\nc\ndddddddddd\nee\n');
  const batch = { bytes, records: 5, ends: Uint32Array.of(3, 8, 10, 21, 24) };
  const cut = (maxBytes: number) =>
    [...piecesOf(batch, maxBytes)].map((piece) => [piece.bytes.toString(), piece.records]);

  it('are whole frames of at most so many bytes, and a larger frame alone', () => {
    expect(cut(24)).toEqual([[bytes.toString(), 5]]);
    expect(cut(10)).toEqual([
      ['aa\nbbbb\nc\n', 3],
      ['dddddddddd\n', 1],
      ['ee\n', 1],
    ]);
    expect(cut(1).map(([, records]) => records)).toEqual([1, 1, 1, 1, 1]);
  });
});
