import { StoredLines } from '../src/decode/files/access/access-lines.ts';
import { COMBINED } from '../src/decode/files/access/combined.ts';
import { readCombinedLine } from '../src/decode/files/access/combined-line.ts';
import { readAccessFields } from '../src/decode/files/access-values.ts';
import { createJsonLog } from '../src/decode/files/json-log.ts';
import { readJsonObject } from '../src/decode/files/json-text.ts';
import type { LineFormat, LineOptions, LineReader } from '../src/decode/files/line-format.ts';
import { LineReading } from '../src/decode/files/line-reading.ts';
import { LogTime } from '../src/decode/files/log-time.ts';
import { MAPPED, MappedValues } from '../src/decode/files/mapped-values.ts';
import { parseFieldMap } from '../src/model/field-map.ts';

const LINES = 1_000;
const AGENT = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36';
const NEWLINE = 0x0a;
const MAP =
  'timestamp=ts,path=request.uri,userAgent=request.headers.User-Agent[0],client=request.client_ip,host=request.host,method=request.method,protocol=request.proto,status=status,bytes=size,durationSeconds=duration';

/** Lines of access logs, as a reading of a file gives them to their reader. */
export const lineCases = [
  lineCase('lines combined', combinedLine),
  lineCase('lines combined, three fields', combinedLine, 'core'),
  lineCase('lines combined, X-Forwarded-For', (i) => `${combinedLine(i)} "203.0.113.${i % 250}"`),
  lineCase('lines common', (i) => combinedLine(i).replace(/ "https.*/, '')),
  lineCase('lines combined, host in front', (i) => `www.example.com:443 ${combinedLine(i)}`),
  referenceCase('lines combined, reference', combinedLine),
  lineCase('lines JSON with a map', jsonLine, 'all', createJsonLog(parseFieldMap(MAP))),
  readingCase('lines JSON of Caddy', jsonLine),
  readingCase('lines JSON of Caddy in Docker', (i) =>
    JSON.stringify({ log: `${jsonLine(i)}\n`, stream: 'stdout', time: '2026-03-05T10:00:01.123456789Z' }),
  ),
  jsonReferenceCase('lines JSON with a map, reference', jsonLine),
];

function lineCase(
  name: string,
  lineOf: (i: number) => string,
  fields: LineOptions['fields'] = 'all',
  format: LineFormat = COMBINED,
) {
  return readerCase(name, lineOf, fields, format.createReader({ zone: 0, fields, state: '' }));
}

/** As a file is read: a line of JSON may have another line in it. */
function readingCase(name: string, lineOf: (i: number) => string) {
  const options = { format: createJsonLog(), others: [], zone: 0, fields: 'all', hasMap: false } as const;
  return readerCase(name, lineOf, 'all', new LineReading(options, ''));
}

function readerCase(
  name: string,
  lineOf: (i: number) => string,
  fields: LineOptions['fields'],
  reader: Pick<LineReader, 'read'>,
) {
  const log = logOf(lineOf);
  const lines = new StoredLines({ fields, blockBytes: log.length });
  const run = () => {
    for (let start = 0; start < log.length; ) {
      const end = log.indexOf(NEWLINE, start);
      reader.read(log, start, end, lines);
      start = end + 1;
    }
    const { records, release } = lines.take();
    release();
    if (records !== LINES) throw new Error(`cannot measure case=${name}: ${records} records`);
  };
  return { name, records: LINES, bytes: log.length, run };
}

function referenceCase(name: string, lineOf: (i: number) => string) {
  const log = logOf(lineOf);
  const each = Array.from({ length: LINES }, (_, i) => Buffer.from(lineOf(i)));
  const lines = new StoredLines({ fields: 'all', blockBytes: log.length });
  const run = () => {
    for (const line of each) {
      const fields = readCombinedLine(line, 0);
      if (!('reason' in fields)) lines.add(fields);
    }
    if (lines.take().records !== LINES) throw new Error(`cannot measure case=${name}`);
  };
  return { name, records: LINES, bytes: log.length, run };
}

/** As a reader of JSON was before fast-json.ts, which leaves to this what is not ordinary. */
function jsonReferenceCase(name: string, lineOf: (i: number) => string) {
  const log = logOf(lineOf);
  const each = Array.from({ length: LINES }, (_, i) => Buffer.from(lineOf(i)));
  const lines = new StoredLines({ fields: 'all', blockBytes: log.length });
  const mapped = new MappedValues(parseFieldMap(MAP));
  const context = { time: new LogTime(0), fields: 'all' } as const;
  const run = () => {
    for (const line of each) {
      const object = readJsonObject(line, 0, line.length);
      const fields = 'reason' in object ? object : readAccessFields(mapped.read(object), MAPPED, context);
      if (!('reason' in fields) && !('fault' in fields)) lines.add(fields);
    }
    const { records, release } = lines.take();
    release();
    if (records !== LINES) throw new Error(`cannot measure case=${name}`);
  };
  return { name, records: LINES, bytes: log.length, run };
}

function logOf(lineOf: (i: number) => string): Buffer {
  return Buffer.from(Array.from({ length: LINES }, (_, i) => `${lineOf(i)}\n`).join(''));
}

/** 210 bytes. */
function combinedLine(i: number): string {
  const time = `05/Mar/2026:10:0${Math.floor(i / 300)}:${String(i % 60).padStart(2, '0')} +0000`;
  const request = `GET /articles/${i}?page=${i % 7} HTTP/1.1`;
  return `192.0.2.${i % 250} - - [${time}] "${request}" ${i % 9 === 0 ? 304 : 200} ${1_234 + i} "https://example.com/" "${AGENT}"`;
}

/** 430 bytes, as Caddy 2 writes it. */
function jsonLine(i: number): string {
  const request = `"remote_ip":"192.0.2.${i % 250}","remote_port":"51234","client_ip":"192.0.2.${i % 250}","proto":"HTTP/2.0","method":"GET","host":"www.example.com","uri":"/articles/${i}?page=${i % 7}","headers":{"Accept":["*/*"],"User-Agent":["${AGENT}"]}`;
  return `{"level":"info","ts":${1_772_704_800 + i / 16},"logger":"http.log.access.log0","msg":"handled request","request":{${request}},"user_id":"","duration":0.0${i + 1},"size":${1_234 + i},"status":200}`;
}
