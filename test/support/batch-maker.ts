import { gzipSync } from 'node:zlib';
import { createRandom, type Random } from './random.ts';
import { pathOf, type TestStream } from './streams.ts';

/*
 * Batches whose stored lines are known before they are sent. The expected line is written here beside the form in which a record is
 * sent, from the rules of the contract alone: no code of the service takes part.
 */

/** Where and how a batch is drawn. The same options make the same batch. */
export interface BatchOptions {
  readonly seed: number;
  /** Stands in every record as `b`; the place in the batch stands as `i`. */
  readonly number: number;
  /**
   * `valid`: all records are. `skip`: some are not, and the request asks to skip them. `reject`: one is not, so that the batch is
   * answered 400.
   */
  readonly kind: 'valid' | 'skip' | 'reject';
  readonly sizes: readonly Size[];
  /** Absent: access. */
  readonly stream?: TestStream;
  /** The first of the 24 hours of its records: Unix ms. */
  readonly firstHour?: number;
}

export interface Size {
  /** The size is taken when a draw in [0, 1) is below; of the first that fits. */
  readonly share: number;
  readonly min: number;
  readonly max: number;
  readonly hours: number;
}

export interface MadeBatch {
  readonly path: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  /** The line that each record must have in its hour file, without the newline; of an invalid record undefined. */
  readonly lines: readonly (string | undefined)[];
}

interface SentRecord {
  /** As a line of JSON, and as a row of CSV. */
  readonly json: string;
  readonly csv: string;
  /** Stored lines: numbers of a JSON record stay numbers, a cell of CSV is text. */
  readonly fromJson: string;
  readonly fromCsv: string;
  readonly isValid: boolean;
}

const HOURS = 24;
export const FIRST_HOUR = Date.parse('2015-05-17T00:00:00Z');
/** The day of all records that begin at FIRST_HOUR. */
export const DAY = '2015-05-17';
const TYPES = { json: 'application/json', ndjson: 'application/x-ndjson', csv: 'text/csv' } as const;
const AGENTS = ['curl/8', 'Mozilla/5.0 "quoted", with a comma', 'ein Bäcker 🥖', 'back\\slash'] as const;
/** As sent after the last digit of the second, and as stored. */
const FRACTIONS = [
  ['', ''],
  ['.5', '.5'],
  ['.120', '.12'],
  ['.000', ''],
  ['.123456789', '.123456789'],
] as const;
/** As sent, and as stored: every token as it came, without white space between tokens. */
const EXTRAS = [
  ['1.0', '1.0'],
  ['12345678901234567890', '12345678901234567890'],
  ['{ "a" : [ 1, 2.50 ,"x  y" ] }', '{"a":[1,2.50,"x  y"]}'],
  ['"\\u00e9"', '"\\u00e9"'],
  ['null', 'null'],
] as const;

export function makeBatch(options: BatchOptions): MadeBatch {
  const { seed, number, kind, sizes, stream = 'access', firstHour = FIRST_HOUR } = options;
  const random = createRandom(seed);
  const chance = random.next();
  const { min, max, hours: maxHours } = sizes.find(({ share }) => chance < share) ?? { min: 1, max: 1, hours: 1 };
  const size = random.int(min, max);
  const hours = Array.from({ length: random.int(1, maxHours) }, () => random.int(0, HOURS - 1));
  const format = random.pick(['json', 'ndjson', 'csv'] as const);
  const isPlain = random.chance(0.5);
  // At least one record of a batch that is skipped in part is valid: without any the answer is 400.
  const invalid = kind === 'valid' ? [] : [size, ...(random.chance(0.5) ? [0] : [])];
  const records = Array.from({ length: kind === 'valid' ? size : size + 2 }, (_, i) =>
    makeRecord(random, {
      ...{ stream, number, i, isPlain, isValid: !invalid.includes(i) },
      hour: firstHour + random.pick(hours) * 3_600_000,
    }),
  );
  const plain = Buffer.from(encode[format](records, stream));
  const packed = random.chance(0.2);
  return {
    path: `${pathOf(stream)}${kind === 'skip' ? '?invalid=skip' : ''}`,
    body: packed ? gzipSync(plain, { level: 1 }) : plain,
    headers: { 'Content-Type': TYPES[format], ...(packed ? { 'Content-Encoding': 'gzip' } : {}) },
    lines: records.map(({ isValid, fromCsv, fromJson }) =>
      isValid ? (format === 'csv' ? fromCsv : fromJson) : undefined,
    ),
  };
}

const encode = {
  json: (records: readonly SentRecord[]) => `[${records.map(({ json }) => json).join(',')}]`,
  ndjson: (records: readonly SentRecord[]) => records.map(({ json }) => `${json}\n`).join(''),
  csv: (records: readonly SentRecord[], stream: TestStream) =>
    `timestamp,${REQUIRED[stream].join(',')},note,b,i\n${records.map(({ csv }) => `${csv}\n`).join('')}`,
};

/** The required text fields of each stream, in stored order. */
const REQUIRED = {
  access: ['path', 'userAgent'],
  events: ['level', 'message', 'service'],
  audit: ['action', 'actor'],
} as const satisfies Record<TestStream, readonly string[]>;
/** As sent, and as stored. */
const LEVELS = [
  ['warning', 'WARN'],
  ['INFO', 'INFO'],
  ['panic', 'EMERG'],
  ['6', 'INFO'],
] as const;

/** A text field: as a token of JSON, as a cell of CSV, and as its text is stored. */
interface TextField {
  readonly token: string;
  readonly cell: string;
  readonly text: string;
}

interface RecordOptions {
  readonly stream: TestStream;
  readonly number: number;
  readonly i: number;
  /** Unix ms. */
  readonly hour: number;
  /** Sent in its stored form. Otherwise fields move, times have offsets, and text has escapes and white space around it. */
  readonly isPlain: boolean;
  readonly isValid: boolean;
}

function makeRecord(random: Random, { stream, number, i, hour, isPlain, isValid }: RecordOptions): SentRecord {
  const second = hour + random.int(0, 3_599) * 1_000;
  const [sentFraction, fraction] = isPlain ? FRACTIONS[1] : random.pick(FRACTIONS);
  const offset = isPlain ? 0 : random.pick([0, 120, -330]);
  const stamp = isValid ? `${seconds(second + offset * 60_000)}${sentFraction}${zone(offset)}` : 'no time';
  const path = `/page/${random.int(0, 50)}`;
  const [before, after] = isPlain ? ['', ''] : random.pick([['', ''] as const, [' ', '\t '] as const]);
  const sentPath = `${before}${path}${after}`;
  const agent = random.pick(AGENTS);
  const agentToken = isPlain ? JSON.stringify(agent) : escapeText(agent);
  const [sentExtra, extra] = random.pick(EXTRAS);
  const [sentLevel, level] = LEVELS[i % LEVELS.length] ?? LEVELS[0];
  const levelToken = JSON.stringify(isPlain ? level : sentLevel);
  const texts: Readonly<Record<'path' | 'agent' | 'level', TextField>> = {
    path: { token: JSON.stringify(sentPath), cell: sentPath, text: path },
    agent: { token: agentToken, cell: agent, text: agent },
    level: { token: levelToken, cell: JSON.parse(levelToken) as string, text: level },
  };
  const { path: one, agent: other } = texts;
  const values = stream === 'events' ? [texts.level, other, one] : [one, other];
  const names = REQUIRED[stream];
  const time = `"timestamp":${JSON.stringify(stamp)}`;
  const required = values.map(({ token }, index) => `"${names[index]}":${token}`);
  const fields = isPlain
    ? [time, ...required, `"note":${extra}`]
    : [required.at(-1), `"note": ${sentExtra}`, time, ...required.slice(0, -1).map((field) => ` ${field}`)];
  const cells = [stamp, ...values.map(({ cell }) => cell), sentExtra].map((text) => `"${text.replaceAll('"', '""')}"`);
  const storedFields = values.map(({ text }, index) => `,"${names[index]}":${JSON.stringify(text)}`).join('');
  const stored = `{"timestamp":"${seconds(second)}${fraction}Z"${storedFields}`;
  return {
    json: `{${fields.join(',')},"b":${number},"i":${i}}`,
    csv: `${cells.join(',')},${number},${i}`,
    fromJson: `${stored},"note":${extra},"b":${number},"i":${i}}`,
    fromCsv: `${stored},"note":${JSON.stringify(sentExtra)},"b":"${number}","i":"${i}"}`,
    isValid,
  };
}

/** `2015-05-17T10:05:03` */
function seconds(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19);
}

function zone(minutes: number): string {
  if (minutes === 0) return 'Z';
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${minutes < 0 ? '-' : '+'}${String(hours).padStart(2, '0')}:${String(rest).padStart(2, '0')}`;
}

/** JSON text in which every character outside of ASCII, and every `o`, is an escape. */
function escapeText(text: string): string {
  return JSON.stringify(text).replace(/[^ -~]|o/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The batch and place of a stored line, or of the text of a dead letter, that was made here. */
export function readNumbers(line: string): { readonly batch: number; readonly index: number } {
  const match = /"b":"?(\d+)"?,"i":"?(\d+)"?\}$/.exec(line);
  if (match === null || JSON.parse(line) === null) throw new Error(`a stored line that was never sent: ${line}`);
  return { batch: Number(match[1]), index: Number(match[2]) };
}
