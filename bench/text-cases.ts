import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Mapping } from '../src/decode/decode.ts';
import { createDecoders } from '../src/decode/decoders.ts';
import { runToEnd } from '../src/decode/pace.ts';
import { BUILTIN_SCHEMAS } from '../src/model/builtin-schemas.ts';
import type { Schemas } from '../src/model/schema.ts';
import { EVENTS_STREAM } from '../src/model/stream.ts';
import { DECODE_OPTIONS } from '../test/support/decode-options.ts';
import { createOneSubject } from '../test/support/one-subject.ts';

const RECORDS = 1_000;

/** LogEntry's JSON Schema, which then checks every record. */
const LOG_ENTRY = JSON.parse(
  readFileSync(join(import.meta.dirname, '../config/schemas/log-entry.json'), 'utf8'),
) as object;
const logEntrySchema = createOneSubject('events', LOG_ENTRY).schemas;

/** A field that is stored under another name, for which the reference reader must read the texts. */
const REFERENCE = {
  mapping: { rename: new Map([['host', 'machine']]), defaults: new Map(), timestamps: 'rfc3339' },
} as const;

/** Lines of text, each form beside its reference reader. */
export const textCases = [
  textCase('text raw', rawLine),
  textCase('text raw, reference', rawLine, REFERENCE),
  textCase('text syslog RFC 3164', bsdLine),
  textCase('text syslog RFC 3164, reference', bsdLine, REFERENCE),
  textCase('text syslog RFC 3164, ISO +02:00', forwardLine),
  textCase('text syslog RFC 5424', syslogLine),
  textCase('text syslog RFC 5424, reference', syslogLine, REFERENCE),
  textCase('text syslog of logger', loggerLine),
  textCase('text syslog of syslog-ng', syslogNgLine),
  textCase('text journald', journalLine),
  textCase('text journald, reference', journalLine, REFERENCE),
  textCase('text raw, LogEntry in force', rawLine, { schemas: logEntrySchema }),
  textCase('text free', (i) => messageOf(i)),
];

/** Lines of about 100 bytes, as an input gives them to its decoder. */
function textCase(
  name: string,
  lineOf: (i: number) => string,
  { schemas = BUILTIN_SCHEMAS, mapping }: { readonly schemas?: Schemas; readonly mapping?: Mapping } = {},
) {
  const decode = createDecoders(EVENTS_STREAM, schemas).text;
  const body = Buffer.from(Array.from({ length: RECORDS }, (_, i) => `${lineOf(i)}\n`).join(''));
  const copy = Buffer.allocUnsafeSlow(body.length);
  const text = { format: 'auto', zone: 'arrival', service: 'app', arrival: Date.UTC(2025, 10, 22, 15, 23, 5) } as const;
  const options = { ...DECODE_OPTIONS, text, ...(mapping === undefined ? {} : { mapping }) };
  const run = () => {
    body.copy(copy);
    const { accepted } = runToEnd(decode(copy, options));
    if (accepted !== RECORDS) throw new Error(`cannot measure case=${name}: ${accepted} records accepted`);
  };
  return { name, records: RECORDS, bytes: body.length, run };
}

function messageOf(i: number): string {
  return `request ${i} served from cache in ${i % 90} ms for user ${(i * 7919) % 100_000}`;
}

function rawLine(i: number): string {
  return `2025-11-22T15:23:0${i % 10}.${String(i).padStart(3, '0')}Z [INFO] [checkout] ${messageOf(i)}`;
}

function bsdLine(i: number): string {
  return `<${8 + (i % 8)}>Nov 22 15:23:0${Math.floor(i / 100)} web-1 checkout[${i % 7}123]: ${messageOf(i)}`;
}

function forwardLine(i: number): string {
  return `<13>2025-11-22T17:23:01.${String(i).padStart(6, '0')}+02:00 web-1 checkout[4123]: ${messageOf(i)}`;
}

function syslogLine(i: number): string {
  return `<${8 + (i % 8)}>1 2025-11-22T15:23:01.${String(i).padStart(6, '0')}Z web-1 checkout ${i % 7}123 - - ${messageOf(i)}`;
}

function loggerLine(i: number): string {
  const data = '[timeQuality tzKnown="1" isSynced="0"]';
  return `<13>1 2025-11-22T15:23:01.${String(i).padStart(6, '0')}+00:00 web-1 checkout - - ${data} ${messageOf(i)}`;
}

function syslogNgLine(i: number): string {
  return `<13>1 2025-11-22T15:23:01+00:00 web-1 checkout 4123 - [meta sequenceId="${i}"] ${messageOf(i)}`;
}

function journalLine(i: number): string {
  const time = `1763825000${String(i).padStart(6, '0')}`;
  const entry = { __REALTIME_TIMESTAMP: time, PRIORITY: '6', _SYSTEMD_UNIT: 'checkout.service', MESSAGE: messageOf(i) };
  return JSON.stringify(entry);
}
