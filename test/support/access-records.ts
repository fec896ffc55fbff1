/** Synthetic access records with the sizes, repeats and order of a real web log, the same on every run. */

export interface AccessRecord {
  readonly timestamp: string;
  readonly path: string;
  readonly userAgent: string;
}

export interface RecordOptions {
  /** Number of hours of the records, up to `lastHour`. 1: all records of one hour. */
  readonly hours?: number;
  /** Last hour of the records, in whole hours since 1970. Absent: the present hour. */
  readonly lastHour?: number;
  /** 'log': hours in order, seconds not, as servers write them. 'shuffled': hours at random. */
  readonly order?: 'log' | 'shuffled';
  readonly seed?: number;
}

const PATHS = 1_500;
const USER_AGENTS = 560;

const SECTIONS = ['blog', 'images', 'projects', 'presentations', 'articles', 'files', 'misc', 'scripts'] as const;
const WORDS = [
  'puppet',
  'logstash',
  'geekery',
  'xdotool',
  'dynamic-dns',
  'keynav',
  'ssl-latency',
  'grok',
  'tags',
] as const;
const ENDINGS = ['/', '.html', '.png', '.xhtml', '?flav=rss20', '/index.html', '.js', '.css'] as const;
const SYSTEMS = [
  'Windows NT 6.1; WOW64',
  'Windows NT 6.3; WOW64',
  'Macintosh; Intel Mac OS X 10_9_1',
  'X11; Linux x86_64',
  'X11; Ubuntu; Linux x86_64; rv:27.0',
  'iPhone; CPU iPhone OS 6_0 like Mac OS X',
] as const;

/** `count` records with stored lines of about 180 bytes. A few paths and user agents are frequent, many are rare. */
export function makeRecords(count: number, options: RecordOptions = {}): AccessRecord[] {
  const { hours = 1, order = 'log', seed = 1 } = options;
  const lastHour = options.lastHour ?? Math.floor(Date.now() / 3_600_000);
  const random = mulberry32(seed);
  const paths = Array.from({ length: PATHS }, (_, i) => makePath(i, random));
  const agents = Array.from({ length: USER_AGENTS }, (_, i) => makeUserAgent(i, random));
  const records: AccessRecord[] = [];
  for (let i = 0; i < count; i++) {
    const place = order === 'log' ? Math.floor((i * hours) / count) : Math.floor(random() * hours);
    const second = (lastHour - hours + 1 + place) * 3600 + Math.floor(random() * 3600);
    records.push({
      timestamp: `${new Date(second * 1000).toISOString().slice(0, 19)}Z`,
      path: pickSkewed(paths, random),
      userAgent: pickSkewed(agents, random),
    });
  }
  return records;
}

/** The records as a body of `application/json`, as JSON.stringify writes it. */
export function toJson(records: readonly object[]): Buffer {
  return Buffer.from(JSON.stringify(records));
}

/** The records as a body of `application/x-ndjson`; these are also their stored lines. */
export function toNdjson(records: readonly object[]): Buffer {
  return Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
}

/** The records as a body of `text/csv` with a header. */
export function toCsv(records: readonly AccessRecord[]): Buffer {
  const rows = records.map((r) => `${r.timestamp},${quoteCsv(r.path)},${quoteCsv(r.userAgent)}\r\n`);
  return Buffer.from(`timestamp,path,userAgent\r\n${rows.join('')}`);
}

/** `items` in parts of `size`; the last part may be shorter. */
export function inBatches<T>(items: readonly T[], size: number): T[][] {
  const batches: T[][] = [];
  for (let i = 0; i < items.length; i += size) batches.push(items.slice(i, i + size));
  return batches;
}

function quoteCsv(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function makePath(i: number, random: () => number): string {
  if (i < 8)
    return ['/favicon.ico', '/style2.css', '/reset.css', '/', '/robots.txt', '/?flav=rss20'][i] ?? `/images/${i}.png`;
  let path = `/${pick(SECTIONS, random)}`;
  const parts = 1 + Math.floor(random() * 3);
  for (let part = 0; part < parts; part++) path += `/${pick(WORDS, random)}`;
  return `${path}-${i}${pick(ENDINGS, random)}`;
}

function makeUserAgent(i: number, random: () => number): string {
  const kind = random();
  if (kind < 0.03) return '-';
  if (kind < 0.2) return `UniversalFeedParser/4.${i % 10}-pre-${i}-svn +http://feedparser.org/`;
  if (kind < 0.3) return `Mozilla/5.0 (compatible; Googlebot/2.${i % 10}; +http://www.google.com/bot.html)`;
  const system = pick(SYSTEMS, random);
  if (kind < 0.5) return `Mozilla/5.0 (${system}; rv:${20 + (i % 9)}.0) Gecko/20100101 Firefox/${20 + (i % 9)}.0`;
  const version = `${28 + (i % 8)}.0.${1000 + i}.${Math.floor(random() * 200)}`;
  return `Mozilla/5.0 (${system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version} Safari/537.36`;
}

function pick<T>(items: readonly T[], random: () => number): T {
  return items[Math.floor(random() * items.length)] as T;
}

/** Uses the cube of a uniform number: a tenth of the items are almost half of the picks. */
function pickSkewed<T>(items: readonly T[], random: () => number): T {
  return items[Math.floor(random() ** 3 * items.length)] as T;
}

/** Numbers in [0, 1). Source: Tommy Ettinger's mulberry32, public domain. */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
