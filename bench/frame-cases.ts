import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Decoder } from '../src/decode/decode.ts';
import { createDecoders } from '../src/decode/decoders.ts';
import { runToEnd } from '../src/decode/pace.ts';
import { FRAME_KINDS, type FrameKind, HEADER_BYTES, writeHeader } from '../src/lines/frame-header.ts';
import { BUILTIN_SCHEMAS } from '../src/model/builtin-schemas.ts';
import type { Schemas } from '../src/model/schema.ts';
import { EVENTS_STREAM } from '../src/model/stream.ts';
import { datum } from '../test/support/avro-bodies.ts';
import { DECODE_OPTIONS } from '../test/support/decode-options.ts';
import { createOneSubject } from '../test/support/one-subject.ts';
import { logEntry } from '../test/support/protobuf-messages.ts';

const RECORDS = 1_000;

const OPTIONS = {
  ...DECODE_OPTIONS,
  invalid: 'skip',
  isBlock: true,
  text: { format: 'auto', zone: 0, service: 'bench', arrival: Date.UTC(2025, 6, 2, 17) },
} as const;
const SEED_OPTIONS = {
  ...OPTIONS,
  mapping: { rename: new Map([['source', 'service']]), defaults: new Map(), timestamps: 'auto' },
} as const;

/** LogEntry's JSON Schema in force, beside the built-in ones. */
const LOG_ENTRY = JSON.parse(
  readFileSync(join(import.meta.dirname, '../config/schemas/log-entry.json'), 'utf8'),
) as object;
const checked = createOneSubject('events', LOG_ENTRY).schemas;
const SCHEMAS: Schemas = {
  ...BUILTIN_SCHEMAS,
  newest: (subject) => checked.newest(subject) ?? BUILTIN_SCHEMAS.newest(subject),
};
const decoders = createDecoders(EVENTS_STREAM, SCHEMAS);

interface Entry {
  readonly timestamp: string;
  readonly level: string;
  readonly message: string;
  readonly service: string;
}

/** Of 100 bytes as JSON, about. */
const entries: readonly Entry[] = Array.from({ length: RECORDS }, (_, i) => ({
  timestamp: `2025-07-02T17:${String(i % 60).padStart(2, '0')}:01Z`,
  level: ['INFO', 'WARN', 'ERROR'][i % 3] ?? '',
  message: `request ${10_000 + i} was served`,
  service: 'checkout',
}));

function frames(kind: FrameKind, payloadOf: (entry: Entry) => string | Buffer): Buffer {
  return Buffer.concat(
    entries.map((entry) => {
      const payload = Buffer.from(payloadOf(entry));
      const frame = Buffer.alloc(HEADER_BYTES + payload.length);
      payload.copy(frame, writeHeader(frame, 0, FRAME_KINDS[kind], payload.length));
      return frame;
    }),
  );
}

function lines(lineOf: (entry: Entry, i: number) => string): Buffer {
  return Buffer.from(entries.map((entry, i) => `${lineOf(entry, i)}\n`).join(''));
}

function rawOf({ timestamp, level, service, message }: Entry): string {
  return `${timestamp} [${level}] [${service}] ${message}`;
}

/** In the order in which clients of seed 001 send the fields. */
function inClientOrder({ timestamp, service, level, message }: Entry): string {
  return JSON.stringify({ timestamp, service, level, message });
}

/** As producers of seed 000 send them. */
function seedRecord({ service, level, message }: Entry, i: number): string {
  return JSON.stringify({ source: service, timestamp: 1_757_680_000 + i, level, message });
}

function blockCase(name: string, body: Buffer, decode: Decoder, options: Parameters<Decoder>[1] = OPTIONS) {
  const copy = Buffer.allocUnsafeSlow(body.length);
  const run = () => {
    body.copy(copy);
    const { accepted } = runToEnd(decode(copy, options));
    if (accepted !== RECORDS) throw new Error(`cannot measure case=${name}: ${accepted} records accepted`);
  };
  return { name, records: RECORDS, bytes: body.length, run };
}

/** Blocks of inputs, with the schema of LogEntry in force. */
export const frameCases = [
  blockCase(
    'frames JSON',
    frames('json', (entry) => JSON.stringify(entry)),
    decoders.frames,
  ),
  blockCase('frames JSON, another order', frames('json', inClientOrder), decoders.frames),
  blockCase('frames Protobuf', frames('protobuf', logEntry), decoders.frames),
  blockCase(
    'frames Avro',
    frames('avro', (entry) => datum({ ...entry })),
    decoders.frames,
  ),
  blockCase('frames text', frames('text', rawOf), decoders.frames),
  blockCase(
    'lines JSON',
    lines((entry) => JSON.stringify(entry)),
    decoders.ndjson,
  ),
  blockCase(
    'lines JSON, recognised',
    lines((entry) => JSON.stringify(entry)),
    decoders.text,
  ),
  blockCase('lines JSON, mapped', lines(seedRecord), decoders.ndjson, SEED_OPTIONS),
];
