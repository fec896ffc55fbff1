import { isUtf8 } from 'node:buffer';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import avro from 'avsc';
import { createFileCounter } from '../src/analytics/summarise.ts';
import type { BodyFormat, Decoder, TextFormat } from '../src/decode/decode.ts';
import { createDecoders } from '../src/decode/decoders.ts';
import { runToEnd } from '../src/decode/pace.ts';
import { createRecordCheck } from '../src/decode/schema-check/schema-check.ts';
import { createLog } from '../src/log.ts';
import { createMetrics } from '../src/metrics/metrics.ts';
import { BUILTIN_SCHEMAS } from '../src/model/builtin-schemas.ts';
import type { Schemas } from '../src/model/schema.ts';
import { ACCESS_STREAM, EVENTS_STREAM, type Stream } from '../src/model/stream.ts';
import { openRepo } from '../src/repo/file-repo.ts';
import { type AccessRecord, makeRecords, toCsv, toJson, toNdjson } from '../test/support/access-records.ts';
import { container, datum, LOG_ENTRY } from '../test/support/avro-bodies.ts';
import { DECODE_OPTIONS } from '../test/support/decode-options.ts';
import { type EventRecord, eventsToCsv, makeEvents, makeOrders, ORDERS_STREAM } from '../test/support/event-records.ts';
import { createOneSubject } from '../test/support/one-subject.ts';
import { delimited, logEntry } from '../test/support/protobuf-messages.ts';
import { createReferenceDecoders } from '../test/support/reference-decoders.ts';
import { createReferenceDelimited } from '../test/support/reference-protobuf.ts';
import { frameCases } from './frame-cases.ts';
import { lineCases } from './line-cases.ts';
import { textCases } from './text-cases.ts';

/** Of LogEntry, the strict schema of events: the scanner checks it. */
const LOG_ENTRY_SCHEMA = JSON.parse(
  readFileSync(join(import.meta.dirname, '../config/schemas/log-entry.json'), 'utf8'),
);
/** Of access records: one for the scanner, and the same for ajv. */
const ACCESS_SCHEMA = { properties: { path: { type: 'string', maxLength: 2048 }, userAgent: { maxLength: 1024 } } };
const scanned = createOneSubject('access', ACCESS_SCHEMA).schemas;
const judged = createOneSubject('access', { allOf: [ACCESS_SCHEMA] }).schemas;
const eventDecoders = createDecoders(EVENTS_STREAM);

/*
 * Measures the parts, each beside the fastest possible. It measures CPU time, because the machine is shared: of one thread,
 * and for `append`, which syncs nothing here, of the whole process. It prints the median, the lowest and the highest of the
 * rounds. bench/append.ts and bench/sync.ts measure syncs, bench/aggregate.ts large hours.
 *
 *   node bench/micro.ts [words in the name of a case]
 */
const RECORDS = 1_000;
const ROUNDS = 9;
const ROUND_MS = 150;

/** One part: a single run of it, its number of records, and the bytes that it reads. */
interface Case {
  readonly name: string;
  readonly records: number;
  readonly bytes: number;
  readonly run: () => unknown;
}

type Event = Readonly<Record<'timestamp' | 'level' | 'message' | 'service', string>>;

/** A field of no bytes, for which the reference reader must read the records. */
const NOT_FLAT = {
  ...LOG_ENTRY,
  fields: [...LOG_ENTRY.fields, { name: 'nothing', type: { type: 'record', name: 'Nothing', fields: [] } }],
};

const present = makeRecords(RECORDS);
const spread = makeRecords(RECORDS, { hours: 8 });
const shuffled = makeRecords(RECORDS, { hours: 84, order: 'shuffled' });

const events = makeEvents(RECORDS);
const orders = makeOrders(RECORDS);

const folder = mkdtempSync(join(tmpdir(), 'logforge-bench-'));
const log = createLog({ level: 'error', format: 'json' });
const repo = await openRepo({
  logsDir: join(folder, 'logs'),
  dlqDir: join(folder, 'dlq'),
  stateDir: join(folder, 'state'),
  durability: 'os',
  idempotency: { windowMs: 1000, maxKeys: 1 },
  maxWaitMs: 60_000,
  metrics: createMetrics({ defaultMetrics: false }),
  log,
});
const plainFile = openSync(join(folder, 'plain'), 'w');

const cases: readonly Case[] = [
  decodeCase('scan json', 'json', toJson(present)),
  decodeCase('scan json, 8 hours', 'json', toJson(spread)),
  decodeCase('scan json, 84 hours shuffled', 'json', toJson(shuffled)),
  decodeCase('scan json, batch of 1', 'json', toJson(present.slice(0, 1)), 1),
  decodeCase('scan json, batch of 10', 'json', toJson(present.slice(0, 10)), 10),
  decodeCase('scan json, milliseconds', 'json', toJson(present.map(withMilliseconds))),
  decodeCase('scan json, two more fields', 'json', toJson(present.map(withExtras))),
  decodeCase('scan json, another order', 'json', toJson(present.map(inAnotherOrder))),
  decodeCase('scan json, as Python writes it', 'json', asPythonWrites(present)),
  decodeCase('scan json, indented', 'json', Buffer.from(JSON.stringify(present, null, 2))),
  decodeCase('scan ndjson', 'ndjson', toNdjson(present)),
  decodeCase('scan ndjson, CRLF', 'ndjson', Buffer.from(toNdjson(present).toString().replaceAll('\n', '\r\n'))),
  decodeCase('scan csv', 'csv', toCsv(present)),
  decodeCase('scan csv, all quoted', 'csv', Buffer.from(allQuoted(present))),
  decodeCase('csv, quotes in all values', 'csv', Buffer.from(allQuoted(present.map(withQuotes)))),
  eventsCase('events json', 'json', toJson(events)),
  eventsCase('events json, batch of 1', 'json', toJson(events.slice(0, 1)), 1),
  eventsCase('events json, two more fields', 'json', toJson(events.map(withExtras))),
  eventsCase('events json, escapes in messages', 'json', toJson(events.map(withEscapes))),
  eventsCase('events json, another order', 'json', toJson(events.map(reversed))),
  eventsCase('events json, levels in lower case', 'json', toJson(events.map(withOtherLevel))),
  eventsCase('events json, as Python writes it', 'json', asPythonWrites(events)),
  eventsCase('events ndjson', 'ndjson', toNdjson(events)),
  eventsCase('events csv', 'csv', eventsToCsv(events)),
  eventsCase('events csv, levels in lower case', 'csv', eventsToCsv(events.map(withOtherLevel))),
  decodeCase('orders json', 'json', toJson(orders), RECORDS, ORDERS_STREAM),
  decodeCase('orders ndjson', 'ndjson', toNdjson(orders), RECORDS, ORDERS_STREAM),
  decodeCase('schema on access json', 'json', toJson(present), RECORDS, ACCESS_STREAM, scanned),
  decodeCase('schema on access json, by ajv', 'json', toJson(present), RECORDS, ACCESS_STREAM, judged),
  checkCase('schema LogEntry alone', LOG_ENTRY_SCHEMA),
  checkCase('schema LogEntry alone, by ajv', { allOf: [LOG_ENTRY_SCHEMA] }),
  logEntryCase('flat protobuf LogEntry', eventDecoders['protobuf-delimited']),
  logEntryCase('reference protobuf (@bufbuild)', createReferenceDelimited(EVENTS_STREAM, BUILTIN_SCHEMAS)),
  avroCase('avro events', present.map(toEvent), LOG_ENTRY),
  avroCase('avro events, batch of 1', present.slice(0, 1).map(toEvent), LOG_ENTRY, 1),
  avroCase('avro events, reference', present.map(toEvent), NOT_FLAT),
  ...frameCases,
  ...textCases,
  ...lineCases,
  appendCase('append', 1),
  appendCase('append, 64 hours', 64),
  countCase('aggregate', 100_000),
  referenceCase('reference json', 'json', toJson(present)),
  referenceCase('reference csv (csv-parse)', 'csv', toCsv(present)),
  referenceCase('reference events json', 'json', toJson(events), EVENTS_STREAM),
  referenceCase('reference orders json', 'json', toJson(orders), ORDERS_STREAM),
  ceiling('JSON.parse of a string', toJson(present), (body) => {
    const text = body.toString();
    return () => JSON.parse(text);
  }),
  ceiling('JSON.parse of each line', toNdjson(present), (body) => {
    const lines = body.toString().trimEnd().split('\n');
    return () => lines.map((line) => JSON.parse(line));
  }),
  ceiling('avsc, JSON.stringify', Buffer.concat(present.map(toEvent).map(datum)), (body) => {
    const type = avro.Type.forSchema(LOG_ENTRY as avro.Schema);
    return () => {
      for (let at = 0; at < body.length; ) {
        const { value, offset } = type.decode(body, at);
        JSON.stringify(value);
        at = offset;
      }
    };
  }),
  ceiling('write', toNdjson(present), (body) => () => writeSync(plainFile, body, 0, body.length, 0)),
  ceiling('isUtf8', toJson(present), (body) => () => isUtf8(body)),
  ceiling('memcpy', toJson(present), (body) => {
    const to = Buffer.allocUnsafeSlow(body.length);
    return () => body.copy(to);
  }),
];

const wanted = process.argv.slice(2).join(' ');
console.log(
  `${'case'.padEnd(34)}${'M records/s'.padStart(12)}${'least'.padStart(8)}${'most'.padStart(8)}${'GB/s'.padStart(8)}${'ns/record'.padStart(11)}`,
);
try {
  for (const part of cases.filter(({ name }) => name.includes(wanted))) await report(part);
} finally {
  closeSync(plainFile);
  await repo.close();
  log.close();
  rmSync(folder, { recursive: true });
}

async function report({ name, records, bytes, run }: Case): Promise<void> {
  const rounds: number[] = [];
  for (let i = 0; i < ROUNDS + 3; i++) {
    const seconds = await measure(run);
    if (i >= 3) rounds.push(seconds);
  }
  rounds.sort((a, b) => a - b);
  const median = rounds[(ROUNDS - 1) / 2] ?? 0;
  const rate = (seconds: number) => (records / seconds / 1e6).toFixed(2);
  console.log(
    name.padEnd(34) +
      rate(median).padStart(12) +
      rate(rounds.at(-1) ?? 0).padStart(8) +
      rate(rounds[0] ?? 0).padStart(8) +
      (bytes / median / 1e9).toFixed(2).padStart(8) +
      ((median * 1e9) / records).toFixed(0).padStart(11),
  );
}

/** CPU seconds that one call takes. */
async function measure(run: Case['run']): Promise<number> {
  const end = performance.now() + ROUND_MS;
  if (run() instanceof Promise) return measureProcess(run, end);
  const before = process.threadCpuUsage();
  let calls = 0;
  do {
    for (let i = 0; i < 8; i++) run();
    calls += 8;
  } while (performance.now() < end);
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1e6 / calls;
}

async function measureProcess(run: Case['run'], end: number): Promise<number> {
  const before = process.cpuUsage();
  let calls = 0;
  for (; performance.now() < end; calls++) await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6 / calls;
}

/** Stores one batch in `hours` files. */
function appendCase(name: string, hours: number): Case {
  const batch = Array.from({ length: hours }, (_, i) => {
    const records = present.slice((i * RECORDS) / hours, ((i + 1) * RECORDS) / hours);
    return { stream: 'access', hour: 400_000 + i, count: records.length, lines: toNdjson(records) };
  });
  const bytes = batch.reduce((sum, { lines }) => sum + lines.length, 0);
  return { name, records: RECORDS, bytes, run: () => repo.append(batch) };
}

/** Counts a file of new lines, as the aggregator does. */
function countCase(name: string, records: number): Case {
  const lines = toNdjson(makeRecords(records));
  const countFile = createFileCounter();
  const read = (target: Buffer, offset: number, length: number, position: number) =>
    lines.copy(target, offset, position, position + length);
  return { name, records, bytes: lines.length, run: () => void countFile(read, 0, lines.length) };
}

/** A decoder may write in its body, so each call gets a copy. The figure includes the cost of the copy; see `memcpy`. */
function decodeCase(
  name: string,
  format: BodyFormat,
  body: Buffer,
  records = RECORDS,
  stream: Stream = ACCESS_STREAM,
  schemas: Schemas = BUILTIN_SCHEMAS,
): Case {
  const decode = createDecoders(stream, schemas)[format];
  const copy = Buffer.allocUnsafeSlow(body.length);
  const run = () => {
    body.copy(copy);
    const { accepted } = runToEnd(decode(copy, DECODE_OPTIONS));
    if (accepted !== records) throw new Error(`cannot measure case=${name}: ${accepted} records accepted`);
  };
  return { name, records, bytes: body.length, run };
}

function eventsCase(name: string, format: BodyFormat, body: Buffer, records = RECORDS): Case {
  return decodeCase(name, format, body, records, EVENTS_STREAM);
}

/** Checks stored lines of events by a schema, without reading them as records. */
function checkCase(name: string, schema: object): Case {
  const check = createRecordCheck({ schema: JSON.stringify(schema), references: [] }, { version: () => undefined });
  const lines = Array.from({ length: RECORDS }, (_, i) => {
    const message = `request ${i} served from cache in ${i % 90} ms for customer ${(i * 7919) % 100_000}, all good`;
    const level = ['INFO', 'WARN', 'ERROR', 'DEBUG'][i % 4];
    const event = { timestamp: `2025-11-22T15:23:${String(i % 60).padStart(2, '0')}Z`, level, message, service: 'api' };
    return `${JSON.stringify(event)}\n`;
  });
  const body = Buffer.from(lines.join(''));
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const run = () => {
    let start = 0;
    for (const { length } of lines) {
      if (!check.accepts(body, view, start, start + length)) throw new Error(`cannot measure case=${name}: refused`);
      start += length;
    }
  };
  return { name, records: RECORDS, bytes: body.length, run };
}

/** Delimited messages of a text of 60 bytes each. */
function logEntryCase(name: string, decoder: Decoder): Case {
  const message = 'user 4711 has signed in from a new device and was told so'.padEnd(60, '.');
  const body = delimited(
    present.map(({ timestamp }, i) =>
      logEntry({ timestamp, level: i % 9 === 0 ? 'ERROR' : 'INFO', message, service: 'checkout' }),
    ),
  );
  const run = () => {
    const { accepted } = runToEnd(decoder(body, DECODE_OPTIONS));
    if (accepted !== RECORDS) throw new Error(`cannot measure case=${name}: ${accepted} records accepted`);
  };
  return { name, records: RECORDS, bytes: body.length, run };
}

/** An Avro file of one block. */
function avroCase(name: string, events: readonly Event[], schema: object, records = RECORDS): Case {
  const body = container(schema, [events.map(datum)]);
  const run = () => {
    const { accepted } = runToEnd(eventDecoders.avro(body, DECODE_OPTIONS));
    if (accepted !== records) throw new Error(`cannot measure case=${name}: ${accepted} records accepted`);
  };
  return { name, records, bytes: body.length, run };
}

function referenceCase(name: string, format: TextFormat, body: Buffer, stream: Stream = ACCESS_STREAM): Case {
  const decode = createReferenceDecoders(stream)[format];
  const copy = Buffer.from(body);
  return {
    name,
    records: RECORDS,
    bytes: body.length,
    run: () => void runToEnd(decode(copy, DECODE_OPTIONS)),
  };
}

function ceiling(name: string, body: Buffer, prepare: (body: Buffer) => () => unknown): Case {
  return { name: `ceiling: ${name}`, records: RECORDS, bytes: body.length, run: prepare(body) };
}

function toEvent({ timestamp, path, userAgent }: AccessRecord, i: number): Event {
  const level = ['INFO', 'WARN', 'DEBUG', 'ERROR'][i % 4] ?? '';
  return { timestamp, level, message: userAgent, service: path };
}

function withMilliseconds(record: AccessRecord, i: number): AccessRecord {
  return { ...record, timestamp: record.timestamp.replace('Z', `.${String(i % 1000).padStart(3, '0')}Z`) };
}

function withExtras<T extends object>(record: T, i: number): T {
  return Object.assign({}, record, { status: 200 + (i % 5), bytes: `${i * 7}` });
}

function inAnotherOrder({ timestamp, path, userAgent }: AccessRecord): AccessRecord {
  return { userAgent, path, timestamp };
}

function reversed(record: EventRecord): object {
  return Object.fromEntries(Object.entries(record).reverse());
}

function withEscapes(record: EventRecord): EventRecord {
  return { ...record, message: `${record.message}: "no"\nat` };
}

function withOtherLevel(record: EventRecord, i: number): EventRecord {
  return { ...record, level: i % 4 === 0 ? 'warning' : record.level.toLowerCase() };
}

/** As json.dumps writes by default: a space after every comma and colon. */
function asPythonWrites(records: readonly object[]): Buffer {
  const objects = records.map((record) => {
    const fields = Object.entries(record).map(([name, value]) => `"${name}": ${JSON.stringify(value)}`);
    return `{${fields.join(', ')}}`;
  });
  return Buffer.from(`[${objects.join(', ')}]`);
}

function withQuotes(record: AccessRecord): AccessRecord {
  return { ...record, userAgent: `"${record.userAgent}"` };
}

function allQuoted(records: readonly AccessRecord[]): string {
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const rows = records.map((r) => `"${r.timestamp}",${quoted(r.path)},${quoted(r.userAgent)}\n`);
  return `"timestamp","path","userAgent"\n${rows.join('')}`;
}
