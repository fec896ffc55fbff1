import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { makeRecords } from './access-records.ts';
import { REPOSITORY } from './service.ts';

/** An access log in the combined format, and its expected summaries. */
export interface AccessLog {
  readonly path: string;
  /** Lines: each is readable. */
  readonly records: number;
  /** By hour, `2015-05-17T10:00:00Z`. */
  readonly hours: Readonly<Record<string, ExpectedSummary>>;
}

export interface ExpectedSummary {
  readonly totalRequests: number;
  readonly requestsPerPath: Readonly<Record<string, number>>;
  readonly requestsPerUserAgent: Readonly<Record<string, number>>;
}

/**
 * The real log, with its expected summaries in `access.expected.json` beside it: at LOGFORGE_ACCESS_LOG, or in the folder
 * `shared/data` next to the checkout. If there is none, a log with the same length, hours and cut line is made up, so that the
 * tests always have one.
 */
export async function findAccessLog(folder: string): Promise<AccessLog> {
  const path = process.env.LOGFORGE_ACCESS_LOG ?? resolve(REPOSITORY, '../shared/data/access.log');
  if (existsSync(path)) {
    const { unparsableLines, records, hours }: Expected = JSON.parse(
      await readFile(path.replace(/\.log$/, '.expected.json'), 'utf8'),
    );
    if (!unparsableLines.includes(CUT_LINE)) return { path, records, hours };
    addCutLine(hours);
    return { path, records: records + 1, hours };
  }
  if (process.env.LOGFORGE_ACCESS_LOG !== undefined) throw new Error(`cannot find LOGFORGE_ACCESS_LOG=${path}`);
  return makeAccessLog(folder);
}

const MADE_RECORDS = 9_999;
const MADE_HOURS = 84;
const LAST_HOUR = Date.parse('2015-05-20T21:00:00Z') / 3_600_000;
/** The number of the line that ends within its user agent. The counts of the real log were made without it. */
const CUT_LINE = 8_899;
const CUT_HOUR = '2015-05-20T12:00:00Z';
const CUT_PATH = '/scripts/grok-py-test/configlib.py';
const CUT_AGENT = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html';
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

async function makeAccessLog(folder: string): Promise<AccessLog> {
  const records = makeRecords(MADE_RECORDS, { hours: MADE_HOURS, lastHour: LAST_HOUR });
  const hours: Hours = {};
  const lines = records.map(({ timestamp, path, userAgent }) => {
    addRecord(hours, `${timestamp.slice(0, 13)}:00:00Z`, path, userAgent);
    return `10.0.0.1 - - [${accessTime(timestamp)}] "GET ${path} HTTP/1.1" 200 1234 "-" "${userAgent}"\n`;
  });
  lines.splice(
    CUT_LINE - 1,
    0,
    `10.0.0.1 - - [20/May/2015:12:05:17 +0000] "GET ${CUT_PATH} HTTP/1.1" 200 235 "-" "${CUT_AGENT}\n`,
  );
  addCutLine(hours);
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'access.log');
  await writeFile(path, lines.join(''));
  return { path, records: lines.length, hours };
}

type Counts = Record<string, number>;
type Hours = Record<string, { totalRequests: number; requestsPerPath: Counts; requestsPerUserAgent: Counts }>;

interface Expected {
  readonly unparsableLines: readonly number[];
  readonly records: number;
  readonly hours: Hours;
}

function addCutLine(hours: Hours): void {
  addRecord(hours, CUT_HOUR, CUT_PATH, CUT_AGENT);
}

function addRecord(hours: Hours, hour: string, path: string, userAgent: string): void {
  hours[hour] ??= { totalRequests: 0, requestsPerPath: {}, requestsPerUserAgent: {} };
  const summary = hours[hour];
  summary.totalRequests++;
  summary.requestsPerPath[path] = (summary.requestsPerPath[path] ?? 0) + 1;
  summary.requestsPerUserAgent[userAgent] = (summary.requestsPerUserAgent[userAgent] ?? 0) + 1;
}

/** `2015-05-17T10:05:03Z` as `17/May/2015:10:05:03 +0000`. */
function accessTime(timestamp: string): string {
  const [date = '', time = ''] = timestamp.slice(0, -1).split('T');
  const [year, month, day] = date.split('-');
  return `${day}/${MONTHS[Number(month) - 1]}/${year}:${time} +0000`;
}
