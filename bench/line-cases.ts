import { StoredLines } from '../src/decode/files/access/access-lines.ts';
import { COMBINED } from '../src/decode/files/access/combined.ts';
import { readCombinedLine } from '../src/decode/files/access/combined-line.ts';
import type { LineOptions } from '../src/decode/files/line-format.ts';

const LINES = 1_000;
const AGENT = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36';
const NEWLINE = 0x0a;

/** Lines of access logs, as a reading of a file gives them to their reader. */
export const lineCases = [
  lineCase('lines combined', combinedLine),
  lineCase('lines combined, three fields', combinedLine, 'core'),
  lineCase('lines combined, X-Forwarded-For', (i) => `${combinedLine(i)} "203.0.113.${i % 250}"`),
  lineCase('lines common', (i) => combinedLine(i).replace(/ "https.*/, '')),
  lineCase('lines combined, host in front', (i) => `www.example.com:443 ${combinedLine(i)}`),
  referenceCase('lines combined, reference', combinedLine),
];

function lineCase(name: string, lineOf: (i: number) => string, fields: LineOptions['fields'] = 'all') {
  const log = logOf(lineOf);
  const reader = COMBINED.createReader({ zone: 0, fields, state: '' });
  const lines = new StoredLines({ fields, blockBytes: log.length });
  const run = () => {
    for (let start = 0; start < log.length; ) {
      const end = log.indexOf(NEWLINE, start);
      reader.read(log, start, end, lines);
      start = end + 1;
    }
    const { records } = lines.take();
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

function logOf(lineOf: (i: number) => string): Buffer {
  return Buffer.from(Array.from({ length: LINES }, (_, i) => `${lineOf(i)}\n`).join(''));
}

/** 210 bytes. */
function combinedLine(i: number): string {
  const time = `05/Mar/2026:10:0${Math.floor(i / 300)}:${String(i % 60).padStart(2, '0')} +0000`;
  const request = `GET /articles/${i}?page=${i % 7} HTTP/1.1`;
  return `192.0.2.${i % 250} - - [${time}] "${request}" ${i % 9 === 0 ? 304 : 200} ${1_234 + i} "https://example.com/" "${AGENT}"`;
}
