import { isUtf8 } from 'node:buffer';
import type { BodyFormat, DecodeOptions } from '../src/decode/decode.ts';
import { decoders } from '../src/decode/decoders.ts';
import { runToEnd } from '../src/decode/pace.ts';
import { referenceDecoders } from '../test/support/reference-decoders.ts';
import { type AccessRecord, makeRecords, toCsv, toJson, toNdjson } from './records.ts';

/*
 * The parts, each beside the ceiling it is measured against. CPU time of one thread, since the machine is shared; the
 * median of the rounds, and the least and the most.
 *
 *   node bench/micro.ts [words that a case's name must hold]
 */
const RECORDS = 1_000;
const ROUNDS = 9;
const ROUND_MS = 150;

const OPTIONS: DecodeOptions = { maxRecordBytes: 262_144, extraFields: 'keep', invalid: 'reject' };

/** A part: what it does once, with how many records, and how many bytes it reads. */
interface Case {
  readonly name: string;
  readonly records: number;
  readonly bytes: number;
  readonly run: () => void;
}

const present = makeRecords(RECORDS);
const spread = makeRecords(RECORDS, { hours: 8 });
const shuffled = makeRecords(RECORDS, { hours: 84, order: 'shuffled' });

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
  referenceCase('reference json', 'json', toJson(present)),
  referenceCase('reference csv (csv-parse)', 'csv', toCsv(present)),
  ceiling('JSON.parse of a string', toJson(present), (body) => {
    const text = body.toString();
    return () => JSON.parse(text);
  }),
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
for (const part of cases.filter(({ name }) => name.includes(wanted))) report(part);

function report({ name, records, bytes, run }: Case): void {
  for (let i = 0; i < 3; i++) measure(run);
  const rounds = Array.from({ length: ROUNDS }, () => measure(run)).sort((a, b) => a - b);
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
function measure(run: () => void): number {
  const end = performance.now() + ROUND_MS;
  const before = process.threadCpuUsage();
  let calls = 0;
  do {
    for (let i = 0; i < 8; i++) run();
    calls += 8;
  } while (performance.now() < end);
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1e6 / calls;
}

/** A decoder may write in its body, so each call gets a copy; what copying costs is in the figure, see `memcpy`. */
function decodeCase(name: string, format: BodyFormat, body: Buffer, records = RECORDS): Case {
  const copy = Buffer.allocUnsafeSlow(body.length);
  const run = () => {
    body.copy(copy);
    const { accepted } = runToEnd(decoders[format](copy, OPTIONS));
    if (accepted !== records) throw new Error(`cannot measure case=${name}: ${accepted} records accepted`);
  };
  return { name, records, bytes: body.length, run };
}

function referenceCase(name: string, format: BodyFormat, body: Buffer): Case {
  const copy = Buffer.from(body);
  return {
    name,
    records: RECORDS,
    bytes: body.length,
    run: () => void runToEnd(referenceDecoders[format](copy, OPTIONS)),
  };
}

function ceiling(name: string, body: Buffer, prepare: (body: Buffer) => () => unknown): Case {
  return { name: `ceiling: ${name}`, records: RECORDS, bytes: body.length, run: prepare(body) };
}

function withMilliseconds(record: AccessRecord, i: number): AccessRecord {
  return { ...record, timestamp: record.timestamp.replace('Z', `.${String(i % 1000).padStart(3, '0')}Z`) };
}

function withExtras(record: AccessRecord, i: number): AccessRecord {
  return Object.assign({}, record, { status: 200 + (i % 5), bytes: `${i * 7}` });
}

function inAnotherOrder({ timestamp, path, userAgent }: AccessRecord): AccessRecord {
  return { userAgent, path, timestamp };
}

/** As json.dumps does by default: a space behind every comma and colon. */
function asPythonWrites(records: readonly AccessRecord[]): Buffer {
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
