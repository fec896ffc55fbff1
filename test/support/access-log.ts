import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { makeRecords } from './access-records.ts';
import { REPOSITORY } from './service.ts';

/** An access log in the combined format, and its expected summaries. */
export interface AccessLog {
  readonly path: string;
  /** Readable lines. */
  readonly records: number;
  /** Numbers of the lines that are not readable. */
  readonly unparsableLines: readonly number[];
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
 * `shared/data` next to the checkout. If there is none, a log with the same length, hours and unreadable line is made up, so
 * that the tests always have one.
 */
export async function findAccessLog(folder: string): Promise<AccessLog> {
  const path = process.env.LOGFORGE_ACCESS_LOG ?? resolve(REPOSITORY, '../shared/data/access.log');
  if (existsSync(path)) {
    const expected: Omit<AccessLog, 'path'> = JSON.parse(
      await readFile(path.replace(/\.log$/, '.expected.json'), 'utf8'),
    );
    return { path, ...expected };
  }
  if (process.env.LOGFORGE_ACCESS_LOG !== undefined) throw new Error(`cannot find LOGFORGE_ACCESS_LOG=${path}`);
  return makeAccessLog(folder);
}

const MADE_RECORDS = 9_999;
const MADE_HOURS = 84;
const LAST_HOUR = Date.parse('2015-05-20T21:00:00Z') / 3_600_000;
const UNPARSABLE_LINE = 8_899;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

async function makeAccessLog(folder: string): Promise<AccessLog> {
  const records = makeRecords(MADE_RECORDS, { hours: MADE_HOURS, lastHour: LAST_HOUR });
  const hours: Record<string, { totalRequests: number; requestsPerPath: Counts; requestsPerUserAgent: Counts }> = {};
  const lines = records.map(({ timestamp, path, userAgent }) => {
    hours[`${timestamp.slice(0, 13)}:00:00Z`] ??= { totalRequests: 0, requestsPerPath: {}, requestsPerUserAgent: {} };
    const summary = hours[`${timestamp.slice(0, 13)}:00:00Z`];
    if (summary !== undefined) {
      summary.totalRequests++;
      summary.requestsPerPath[path] = (summary.requestsPerPath[path] ?? 0) + 1;
      summary.requestsPerUserAgent[userAgent] = (summary.requestsPerUserAgent[userAgent] ?? 0) + 1;
    }
    return `10.0.0.1 - - [${accessTime(timestamp)}] "GET ${path} HTTP/1.1" 200 1234 "-" "${userAgent}"\n`;
  });
  lines.splice(
    UNPARSABLE_LINE - 1,
    0,
    '10.0.0.1 - - [20/May/2015:12:05:17 +0000] "GET / HTTP/1.1" 200 235 "-" "Mozilla\n',
  );
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'access.log');
  await writeFile(path, lines.join(''));
  return { path, records: records.length, unparsableLines: [UNPARSABLE_LINE], hours };
}

type Counts = Record<string, number>;

/** `2015-05-17T10:05:03Z` as `17/May/2015:10:05:03 +0000`. */
function accessTime(timestamp: string): string {
  const [date = '', time = ''] = timestamp.slice(0, -1).split('T');
  const [year, month, day] = date.split('-');
  return `${day}/${MONTHS[Number(month) - 1]}/${year}:${time} +0000`;
}
