import { parseDuration, parseSize } from '../config/units.ts';
import { SYSLOG_RFCS, type SyslogRfc } from '../generate/encode/encodings.ts';
import { FORMATS, RECORD_KINDS, STREAM_FRAMINGS, TRANSPORTS } from '../generate/generate.ts';
import { type Options, UsageError } from './command.ts';
import { type FlagValues, toCount } from './parse-flags.ts';
import { serviceOptions } from './service-options.ts';

/** All flags of `logforge generate`. Those of older programs are at the end. */
export const generateOptions = {
  transport: {
    value: 'NAME',
    choices: TRANSPORTS,
    help: 'How to send. Default tls; http with --url or --stream, udp with --udp.',
  },
  format: { value: 'NAME', choices: FORMATS, help: 'Form of the records. Default json.' },
  framing: {
    value: 'NAME',
    choices: STREAM_FRAMINGS,
    help: 'What tells records apart on tcp, tls, unixsock, fifo, file and stdout. Default newline; universal for tls, proto and avro. Datagrams hold lines, or one message of syslog.',
  },
  records: {
    value: 'KIND',
    choices: RECORD_KINDS,
    help: 'What is made: events of sessions in a shop; entry, their four required fields alone; access records; producer: source, Unix seconds, level and message. Default: access for the stream access and for combined; producer for json and ndjson with --size, but not for tls, --udp and http; else events.',
  },
  stream: { value: 'NAME', help: 'Stream of the records for POST /logs/NAME. Default access, POST /logs.' },
  ...serviceOptions,
  addr: {
    value: 'HOST:PORT',
    help: 'Where tcp, tls and udp send to. Default 127.0.0.1:9000; localhost:3001 for tls, 127.0.0.1:3002 for --udp.',
  },
  path: {
    value: 'PATH',
    completes: 'file',
    help: 'Socket, FIFO or file. Default logforge.sock, logforge.dgram, logforge.fifo or generated.log.',
  },
  ca: {
    value: 'FILE',
    completes: 'file',
    help: 'PEM file with the certificates that tls, and http with an https --url, trust in place of the well-known ones.',
  },
  cert: {
    value: 'FILE',
    completes: 'file',
    help: 'PEM file with a client certificate for tls and https, if the other side asks for one.',
  },
  key: { value: 'FILE', completes: 'file', help: 'PEM file with the private key of --cert.' },
  insecure: {
    help: 'Let tls and https take any certificate. Anybody on the way can then read and change what is sent.',
  },
  batch: {
    value: 'N',
    help: 'Records that are sent at once. Default 100; with --rate a hundredth of it, at least 1; as fast as possible 1000.',
  },
  interval: {
    value: 'TIME',
    help: 'Time between two batches, such as 10ms; a bare number is milliseconds. Default 1000. 0: as fast as possible.',
  },
  rate: { value: 'N', help: 'Records a second of each producer, in place of --interval. 0: as fast as possible.' },
  count: { value: 'N', help: 'Records of each producer. Default: until it is stopped.' },
  duration: { value: 'TIME', help: 'How long to send, such as 5s. Default: until it is stopped.' },
  producers: { value: 'N', help: 'Producers, each with a connection and records of its own. Default 1.' },
  size: { value: 'BYTES', help: 'Length of each message, which is filled up with A to Z. Default: as it comes.' },
  field: { value: 'NAME=VALUE', help: 'A field that every record has. May be given several times.' },
  seed: {
    value: 'N',
    help: 'The same seed makes the same records, but for their times. Default: another one each time.',
  },
  'burst-chance': { value: 'P', help: 'Chance of a burst in each second, from 0 to 1. Default 0.' },
  'burst-factor': { value: 'N', help: 'How many times faster a burst is. Default 5.' },
  'burst-duration': { value: 'TIME', help: 'How long a burst takes. Default 3s.' },
  registry: {
    value: 'URL',
    help: 'Fetch the schema from this registry, and check every record against it before it is sent.',
  },
  type: { value: 'NAME', help: 'Name of the schema. Default LogEntry.' },
  rfc: { value: 'N', choices: SYSLOG_RFCS, help: 'Form of syslog. Default 5424.' },
  retries: { value: 'N', help: 'Attempts after the first one that fails. Default 3.' },
  rotate: { value: 'SIZE', help: 'Begin a new file after this size, such as 50MiB. Default: never.' },
  keep: { value: 'N', help: 'Older files that --rotate keeps, as PATH.1 and so on. Default 5.' },
  udp: { help: 'The same as --transport udp --addr 127.0.0.1:3002.' },
  address: { value: 'HOST', help: 'Host of the address, in place of --addr.' },
  'tcp-port': { value: 'PORT', help: 'Port of tcp and tls, in place of --addr.' },
  'udp-port': { value: 'PORT', help: 'Port of udp, in place of --addr.' },
} as const satisfies Options;

export type GenerateFlags = FlagValues<typeof generateOptions>;

const MAX_BATCH = 100_000;
const MAX_SIZE = 1024 * 1024;
const MAX_BATCH_BYTES = 256 * 1024 * 1024;
const MAX_PRODUCERS = 1_000;
const MOST = 1_000_000_000_000;
const MAX_RATE = 1_000_000_000;
const MS_PER_SECOND = 1_000;
/** Batches a second that a rate alone is divided into. */
const BATCHES_PER_SECOND = 100;
const DEFAULT_BATCH = 100;
/** Without a pause: tls waits for each write, so small ones make it slow. */
const FAST_BATCH = 1_000;
const DEFAULT_INTERVAL_MS = 1_000;
const DEFAULT_RETRIES = 3;
const DEFAULT_KEEP = 5;

type CountFlag = 'batch' | 'rate' | 'count' | 'producers' | 'seed' | 'retries' | 'keep' | 'tcp-port' | 'udp-port';

function count<D>(flags: GenerateFlags, flag: CountFlag, byDefault: D, max: number, min = 1): number | D {
  const text = flags[flag];
  return text === undefined ? byDefault : toCount(flag, text, { min, max });
}

function duration(flags: GenerateFlags, flag: 'interval' | 'duration' | 'burst-duration', byDefault: number): number {
  const text = flags[flag];
  if (text === undefined) return byDefault;
  const ms = flag === 'interval' && /^\d{1,9}$/.test(text) ? Number(text) : parseDuration(text);
  if (ms !== undefined) return ms;
  throw new UsageError(`--${flag} must be a time such as 500ms, 5s or 1m, got ${JSON.stringify(text)}`);
}

function size(flags: GenerateFlags, flag: 'size' | 'rotate', max: number): number | undefined {
  const text = flags[flag];
  if (text === undefined) return undefined;
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes >= 1 && bytes <= max) return bytes;
  throw new UsageError(
    `--${flag} must be a size such as 100 or 64KiB, at most ${max} bytes, got ${JSON.stringify(text)}`,
  );
}

function decimal(flags: GenerateFlags, flag: 'burst-chance' | 'burst-factor', byDefault: number, max: number): number {
  const text = flags[flag];
  if (text === undefined) return byDefault;
  const value = /^\d{1,9}(?:\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value <= max) return value;
  throw new UsageError(`--${flag} must be a number from 0 to ${max}, got ${JSON.stringify(text)}`);
}

/** What the flags say of amounts and times, with their defaults. Throws UsageError. */
export function readAmounts(flags: GenerateFlags) {
  const { batch, intervalMs, rate } = readPace(flags);
  const bytes = size(flags, 'size', MAX_SIZE);
  if (batch * (bytes ?? 0) > MAX_BATCH_BYTES)
    throw new UsageError(`--batch and --size make batches of more than ${MAX_BATCH_BYTES} bytes; lower one of them`);
  const factor = decimal(flags, 'burst-factor', 5, 1_000);
  if (factor < 1) throw new UsageError('--burst-factor must be at least 1');
  const durationMs = duration(flags, 'duration', Number.POSITIVE_INFINITY);
  const chance = decimal(flags, 'burst-chance', 0, 1);
  const most = count(flags, 'count', Number.POSITIVE_INFINITY, MOST);
  return {
    batch,
    intervalMs,
    size: bytes,
    // The last batch is smaller where a whole one would be more than the rate; a burst is more than the rate.
    count: rate > 0 && chance === 0 ? Math.min(most, Math.ceil((rate * durationMs) / MS_PER_SECOND)) : most,
    durationMs,
    producers: count(flags, 'producers', 1, MAX_PRODUCERS),
    seed: count(flags, 'seed', Math.floor(Math.random() * 2 ** 31), 2 ** 32 - 1, 0),
    retries: count(flags, 'retries', DEFAULT_RETRIES, MAX_PRODUCERS, 0),
    keep: count(flags, 'keep', DEFAULT_KEEP, MAX_PRODUCERS, 0),
    rotateBytes: size(flags, 'rotate', MOST),
    burst: {
      chance,
      factor,
      durationMs: duration(flags, 'burst-duration', 3 * MS_PER_SECOND),
    },
  };
}

function readPace(flags: GenerateFlags): {
  readonly batch: number;
  readonly intervalMs: number;
  /** Records a second; 0 where none is asked for. */
  readonly rate: number;
} {
  const rate = count(flags, 'rate', undefined, MAX_RATE, 0);
  if (rate === undefined || rate === 0) {
    if (rate === 0 && flags.interval !== undefined) throw new UsageError('give --rate or --interval, not both');
    const intervalMs = rate === 0 ? 0 : duration(flags, 'interval', DEFAULT_INTERVAL_MS);
    const byDefault = intervalMs === 0 ? FAST_BATCH : DEFAULT_BATCH;
    return { batch: count(flags, 'batch', byDefault, MAX_BATCH), intervalMs, rate: 0 };
  }
  if (flags.interval !== undefined) throw new UsageError('give --rate or --interval, not both');
  const byDefault = Math.min(MAX_BATCH, Math.max(1, Math.round(rate / BATCHES_PER_SECOND)));
  const batch = count(flags, 'batch', byDefault, MAX_BATCH);
  return { batch, intervalMs: (batch * MS_PER_SECOND) / rate, rate };
}

/** The fields of `--field name=value`. Throws UsageError. */
export function readFields(texts: readonly string[]): Readonly<Record<string, string>> {
  const fields = texts.map((text): [string, string] => {
    const match = /^([A-Za-z_][\w.-]{0,63})=(\P{Cc}*)$/u.exec(text);
    if (match === null)
      throw new UsageError(`--field must be NAME=VALUE without control characters, got ${JSON.stringify(text)}`);
    return [match[1] ?? '', match[2] ?? ''];
  });
  return Object.fromEntries(fields);
}

/** Ports of older programs' flags. Throws UsageError. */
export function readPorts(flags: GenerateFlags): {
  readonly tcp: number | undefined;
  readonly udp: number | undefined;
} {
  return { tcp: count(flags, 'tcp-port', undefined, 65_535), udp: count(flags, 'udp-port', undefined, 65_535) };
}

export function readRfc({ rfc }: GenerateFlags): SyslogRfc {
  // parseFlags accepts no other.
  return (rfc ?? '5424') as SyslogRfc;
}
