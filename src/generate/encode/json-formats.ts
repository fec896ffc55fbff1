import { FRAME_KINDS } from '../../lines/frame-header.ts';
import type { BodyForm, Encoding, GeneratedRecord } from '../generate.ts';
import { formatTime } from '../records/records.ts';
import { partsOf } from './parts.ts';
import { severityOf } from './severity.ts';

const MICROS_PER_MS = 1_000;

const ARRAY: BodyForm = {
  contentType: 'application/json',
  around: (payloads, index) => [index === 0 ? '[' : ',', index === payloads.length - 1 ? ']' : ''],
};
const LINES: BodyForm = { contentType: 'application/x-ndjson', around: () => ['', '\n'] };

/** One JSON object a record. As a body `json` is an array and `ndjson` lines. */
export function jsonEncoding(format: 'json' | 'ndjson'): Encoding {
  return {
    kind: FRAME_KINDS.json,
    head: '',
    encode: ({ fields }) => Buffer.from(JSON.stringify(fields)),
    stamp: formatTime,
    body: format === 'json' ? ARRAY : LINES,
  };
}

/** The JSON of systemd's journal, as `journalctl --output json` writes it: every value is text, further fields are in capitals. */
export const journaldEncoding: Encoding = {
  kind: FRAME_KINDS.text,
  head: '',
  encode: (record) => Buffer.from(JSON.stringify(journalEntry(record))),
  stamp: toMicros,
};

function journalEntry({ at, fields }: GeneratedRecord): Record<string, string> {
  const { level, service, message, rest } = partsOf(fields);
  return {
    __REALTIME_TIMESTAMP: toMicros(at),
    _HOSTNAME: 'localhost',
    PRIORITY: String(severityOf(level)),
    _SYSTEMD_UNIT: `${service}.service`,
    MESSAGE: message,
    ...Object.fromEntries(rest.map(([name, value]) => [name.toUpperCase(), String(value)])),
  };
}

/** 16 digits until the year 2286. */
function toMicros(at: number): string {
  return String(at * MICROS_PER_MS);
}
