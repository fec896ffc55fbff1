import { describe, expect, it } from 'vitest';
import { DECODE_OPTIONS } from '../../../test/support/decode-options.ts';
import type { BodyFormat, Decoded } from '../../decode/decode.ts';
import { createDecoders } from '../../decode/decoders.ts';
import { readCombinedLine } from '../../decode/files/access/combined-line.ts';
import { isJournalEntry, readJournalEntry } from '../../decode/text/journald.ts';
import { readText } from '../../decode/text/read-text.ts';
import { toLevel } from '../../model/level.ts';
import { ACCESS_STREAM, EVENTS_STREAM } from '../../model/stream.ts';
import { createBatches } from '../batch/batches.ts';
import { createFraming } from '../batch/framing.ts';
import type { Fields, Format, RecordKind } from '../generate.ts';
import { createRecords } from '../records/records.ts';
import { createEncoding, type EncodingOptions } from './encodings.ts';

const AT = Date.parse('2025-07-02T17:00:01.250Z');
const COUNT = 200;
const OWN = { region: 'a "b", c\\d] ü' };

function setup(format: Format, kind: RecordKind = 'events', more: Partial<EncodingOptions> = {}) {
  const next = createRecords({ kind, seed: 5, producer: 0, fields: OWN });
  const example = createRecords({ kind, seed: 5, producer: 0, fields: OWN })(AT).fields;
  return { next, encoding: createEncoding({ format, rfc: '5424', example, ...more }) };
}

function expectedOf(kind: RecordKind = 'events'): Fields[] {
  const next = createRecords({ kind, seed: 5, producer: 0, fields: OWN });
  return Array.from({ length: COUNT }, () => next(AT).fields);
}

describe('bodies of POST /logs', () => {
  const BODIES = [
    ['json', 'json', 'application/json'],
    ['ndjson', 'ndjson', 'application/x-ndjson'],
    ['csv', 'csv', 'text/csv'],
    ['proto', 'protobuf-delimited', 'application/x-protobuf-delimited'],
    ['avro', 'avro', 'avro/binary'],
  ] as const satisfies readonly (readonly [Format, BodyFormat, string])[];

  it.each(BODIES)('%s: our decoder reads every record', (format, decoder, contentType) => {
    const { next, encoding } = setup(format);
    expect(encoding.body?.contentType).toBe(contentType);
    const { bytes } = createBatches({ next, encoding, around: createFraming('body', encoding) })(COUNT, AT);
    const decoded = run(createDecoders(EVENTS_STREAM)[decoder](bytes, DECODE_OPTIONS));
    expect(decoded).toMatchObject({ accepted: COUNT, rejected: 0, rejections: [] });
    const lines = decoded.batch.flatMap(({ lines: each }) => each.toString().trimEnd().split('\n'));
    const needed = expectedOf().map(({ level, message, service }) => ({ level, message, service }));
    expect(lines.map((line) => JSON.parse(line))).toMatchObject(needed);
    if (format === 'json')
      expect(JSON.parse(lines[0] ?? '')).toMatchObject({ ...expectedOf()[0], timestamp: '2025-07-02T17:00:01.25Z' });
  });

  it('of access records are taken as they are', () => {
    const { next, encoding } = setup('json', 'access');
    const { bytes } = createBatches({ next, encoding, around: createFraming('body', encoding) })(COUNT, AT);
    expect(run(createDecoders(ACCESS_STREAM).json(bytes, DECODE_OPTIONS))).toMatchObject({
      accepted: COUNT,
      rejected: 0,
    });
  });
});

describe('text', () => {
  const context = { arrival: AT, zone: 0, service: 'raw' } as const;
  const read = (format: Format, kind: RecordKind, more: Partial<EncodingOptions> = {}) => {
    const { next, encoding } = setup(format, kind, more);
    return Array.from({ length: COUNT }, () => {
      const { kind: found, fields } = readText(encoding.encode(next(AT)).toString(), 'auto', context);
      return { found, ...Object.fromEntries([...fields].map(([name, json]) => [name, JSON.parse(json)])) };
    });
  };
  const parts = (kind: RecordKind) =>
    expectedOf(kind).map(({ level, message, service }) => ({ level: toLevel(level ?? ''), message, service }));
  const levels = (records: { found: string; level?: unknown }[]) =>
    records.map((record) => ({ ...record, level: toLevel(record.level as string) }));

  it.each(['entry', 'events'] as const)('raw: %s are read back', (kind) => {
    const records = read('raw', kind);
    expect(records).toMatchObject(parts(kind));
    expect(records).toMatchObject(records.map(() => ({ found: 'raw', timestamp: '2025-07-02T17:00:01.250Z' })));
    if (kind === 'events') {
      const more = expectedOf(kind).map(({ request_id, user_id, duration }) => ({ request_id, user_id, duration }));
      expect(records).toMatchObject(more);
    }
  });

  it.each(['5424', '3164'] as const)('syslog of RFC %s is read back', (rfc) => {
    const records = read('syslog', 'events', { rfc });
    expect(levels(records)).toMatchObject(parts('events'));
    expect(records).toMatchObject(records.map(() => ({ found: 'syslog', facility: 'local0', host: 'localhost' })));
    if (rfc === '5424') expect(JSON.stringify(records[0])).toContain(JSON.stringify(OWN.region).slice(1, -1));
  });

  it('journald is read back', () => {
    const { next, encoding } = setup('journald');
    for (const { level, message, service } of expectedOf()) {
      const entry = JSON.parse(encoding.encode(next(AT)).toString()) as Record<string, string>;
      const fields = new Map(Object.entries(entry).map(([name, value]) => [name, JSON.stringify(value)]));
      expect(isJournalEntry(fields)).toBe(true);
      const record = readJournalEntry(fields, context).fields;
      expect(toLevel(JSON.parse(record.get('level') ?? '""'))).toBe(level);
      expect(record.get('message')).toBe(JSON.stringify(message));
      expect(record.get('service')).toBe(JSON.stringify(`${service}.service`));
      expect(record.get('timestamp')).toMatch(/^"2025-07-02T17:00:01\.25/);
    }
  });

  it('combined is read back', () => {
    const { next, encoding } = setup('combined', 'access');
    for (const { path, userAgent } of expectedOf('access')) {
      const record = readCombinedLine(encoding.encode(next(AT)), 0);
      expect(record).toMatchObject({ timestamp: '2025-07-02T17:00:01Z', path, userAgent, protocol: 'HTTP/1.1' });
    }
  });

  it('combined refuses records without a path', () => {
    const { next, encoding } = setup('combined', 'events');
    expect(() => encoding.encode(next(AT))).toThrow(/expected the fields path and userAgent/);
  });
});

function run(generator: Generator<undefined, Decoded, undefined>): Decoded {
  for (;;) {
    const { done, value } = generator.next();
    if (done === true) return value;
  }
}
